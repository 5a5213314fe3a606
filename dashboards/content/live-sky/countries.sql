-- title = "Countries"
-- description = "Different countries of registration among the aircraft with a position."
-- display = "scalar"
--
-- [columns]
-- countries = "Countries of registration"
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

select count(distinct nullif(origin_country, '')) as countries
from current_positions
where
    true
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
