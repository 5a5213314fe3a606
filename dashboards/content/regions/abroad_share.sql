-- title = "Share outside of their region"
-- description = "Aircraft with a position that are now in another region than the one they are registered in."
-- display = "scalar"
--
-- [columns]
-- share = "Share outside of their region"
--
-- [settings]
-- column_settings = { share = { number_style = "percent", decimals = 0 } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select
    1.0 * sum(case when origin_region <> position_region then aircraft else 0 end)
    / nullif(sum(aircraft), 0) as share
from corridors
where
    true
    [[and origin_region = {{region}}]]
