-- title = "Where the aircraft of each region are"
-- description = "Aircraft with a position now, by region of registration (bars) and the region they are in (colours). The regions by position are boxes on the map, not borders."
-- display = "bar"
--
-- [columns]
-- origin_region = "Region of registration"
-- position_region = "Region the aircraft is in"
-- aircraft = "Aircraft"
--
-- [settings]
-- "graph.dimensions" = ["origin_region", "position_region"]
-- "graph.metrics" = ["aircraft"]
-- "graph.x_axis.scale" = "ordinal"
-- "graph.y_axis.title_text" = "Aircraft"
-- "stackable.stack_type" = "stacked"
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select
    origin_region,
    position_region,
    cast(sum(aircraft) as bigint) as aircraft
from corridors
where
    true
    [[and origin_region = {{region}}]]
group by origin_region, position_region
order by origin_region, position_region
