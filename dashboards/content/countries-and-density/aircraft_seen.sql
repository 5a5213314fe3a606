-- title = "Aircraft seen"
-- description = "Different aircraft in all polls that are kept; each counts once, however often it was seen."
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
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select cast(coalesce(sum(unique_aircraft), 0) as bigint) as aircraft
from country_stats
where
    true
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and region = {{region}}]]
