-- title = "Aircraft by region"
-- description = "Aircraft with a position that are in each region now, and those that are registered there, wherever they are. A click on a region opens its dashboard."
-- display = "bar"
--
-- [columns]
-- region = "Region"
-- located = "Are there now"
-- registered = "Are registered there"
--
-- [settings]
-- "graph.dimensions" = ["region"]
-- "graph.metrics" = ["located", "registered"]
-- "graph.y_axis.title_text" = "Aircraft"
-- "graph.x_axis.labels_enabled" = false
--
-- [parameters.country]
-- title = "Country of registration"
-- type = "text"
-- values = "models/country_stats.country"

with positions as (
    select
        origin_region,
        position_region
    from current_positions
    where
        true
        [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
),

regions (region, place) as (
    values ('EU', 1), ('US_CA', 2), ('ASIA', 3), ('Other', 4)
)

select
    regions.region,
    (select count(*) from positions where positions.position_region = regions.region) as located,
    (select count(*) from positions where positions.origin_region = regions.region) as registered
from regions
order by regions.place
