-- title = "Median speed in the air (m/s)"
-- description = "Half of the aircraft in the air are slower over ground. Multiply by 1.94 for knots."
-- display = "scalar"
--
-- [columns]
-- median_velocity = "Median speed in the air (m/s)"
--
-- [settings]
-- column_settings = { median_velocity = { decimals = 0 } }
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

select percentile_cont(0.5) within group (order by velocity) as median_velocity
from current_positions
where
    not on_ground
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
