-- title = "Countries of the region"
-- description = "The 12 countries of registration with most aircraft that have a position now. A click on one opens it in Countries and density."
-- display = "row"
--
-- [columns]
-- country = "Country of registration"
-- aircraft = "Aircraft"
--
-- [settings]
-- "graph.dimensions" = ["country"]
-- "graph.metrics" = ["aircraft"]
-- "graph.show_values" = true
-- "graph.x_axis.labels_enabled" = false
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select
    coalesce(nullif(origin_country, ''), '(none)') as country,
    cast(sum(aircraft) as bigint) as aircraft
from corridors
where
    true
    [[and origin_region = {{region}}]]
group by coalesce(nullif(origin_country, ''), '(none)')
order by aircraft desc, country
limit 12
