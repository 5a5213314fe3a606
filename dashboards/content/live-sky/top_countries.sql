-- title = "Top countries"
-- description = "The 12 countries of registration with most aircraft that have a position now. A click on one shows its aircraft only."
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
-- title = "Region the aircraft is in"
-- type = "text"
-- values = "regions/by_region.region"

select
    coalesce(nullif(origin_country, ''), '(none)') as country,
    count(*) as aircraft
from current_positions
where
    true
    [[and position_region = {{region}}]]
group by coalesce(nullif(origin_country, ''), '(none)')
order by aircraft desc, country
limit 12
