-- title = "Aircraft with a position"
-- description = "Aircraft of the newest poll that sent a position, on the ground or in the air. Aircraft without one are not counted here."
-- display = "scalar"
--
-- [columns]
-- aircraft = "Aircraft"
--
-- [parameters.country]
-- title = "Country of registration"
-- type = "text"
-- values = "models/country_stats.country"
--
-- [parameters.region]
-- title = "Region the aircraft is in"
-- type = "text"
-- values = "regions/by_region.region"

select count(*) as aircraft
from current_positions
where
    true
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
