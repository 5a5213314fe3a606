-- title = "Share of all aircraft"
-- description = "How much of the newest poll is of the region of registration that is chosen."
-- display = "scalar"
--
-- [columns]
-- share = "Share of all aircraft"
--
-- [settings]
-- column_settings = { share = { number_style = "percent", decimals = 0 } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select coalesce(sum(aircraft_share), 0) as share
from region_kpis
where
    true
    [[and region = {{region}}]]
