-- title = "Aircraft"
-- description = "Aircraft of the newest poll, with a position or not, of the region of registration that is chosen, or of all."
-- display = "scalar"
--
-- [columns]
-- aircraft = "Aircraft"
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select cast(coalesce(sum(aircraft_total), 0) as bigint) as aircraft
from region_kpis
where
    true
    [[and region = {{region}}]]
