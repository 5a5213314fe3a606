-- title = "In the air"
-- description = "Aircraft of the newest poll that are in the air, of the region of registration that is chosen, or of all."
-- display = "scalar"
--
-- [columns]
-- aircraft = "Aircraft in the air"
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select cast(coalesce(sum(airborne), 0) as bigint) as aircraft
from region_kpis
where
    true
    [[and region = {{region}}]]
