-- title = "Countries seen"
-- description = "Countries of registration in all polls that are kept."
-- display = "scalar"
--
-- [columns]
-- countries = "Countries of registration"
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select count(nullif(origin_country, '')) as countries
from country_stats
where
    true
    [[and region = {{region}}]]
