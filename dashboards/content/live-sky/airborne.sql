-- title = "In the air"
-- description = "Those of them whose newest position is not from the ground."
-- display = "scalar"
--
-- [columns]
-- aircraft = "Aircraft in the air"
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
    not on_ground
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
