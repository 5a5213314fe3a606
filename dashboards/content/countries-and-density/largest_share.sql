-- title = "Share of the largest country"
-- description = "How much of all aircraft seen is registered in the one country with most of them."
-- display = "scalar"
--
-- [columns]
-- share = "Share of aircraft"
--
-- [settings]
-- column_settings = { share = { number_style = "percent", decimals = 0 } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select 1.0 * max(unique_aircraft) / nullif(sum(unique_aircraft), 0) as share
from country_stats
where
    true
    [[and region = {{region}}]]
