-- title = "Corridors"
-- description = "The 50 largest pairs of a country of registration and the region its aircraft are in now; coloured are those outside of the country's own region. A click on a country opens it in Countries and density."
-- display = "table"
--
-- [columns]
-- country = "Country of registration"
-- origin_region = "Region of registration"
-- position_region = "Region the aircraft are in"
-- aircraft = "Aircraft"
-- airborne = "In the air"
-- abroad = "Outside of their region"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["abroad"], type = "single", operator = "=", value = "yes", color = "#98D9D9", highlight_row = true }]
-- column_settings = { aircraft = { show_mini_bar = true } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select
    coalesce(nullif(origin_country, ''), '(none)') as country,
    origin_region,
    position_region,
    aircraft,
    airborne,
    case when origin_region <> position_region then 'yes' else 'no' end as abroad
from corridors
where
    true
    [[and origin_region = {{region}}]]
order by aircraft desc, country, position_region
limit 50
