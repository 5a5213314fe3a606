-- title = "Aircraft by country of registration"
-- description = "Different aircraft seen in all polls that are kept, on the country that registered them, wherever they flew. A click on a country shows it alone on this dashboard."
-- display = "map"
--
-- [columns]
-- iso_a2 = "ISO 3166 code"
-- country = "Country of registration"
-- aircraft = "Aircraft"
-- airborne_share = "Share of observations in the air"
--
-- [settings]
-- "map.type" = "region"
-- "map.region" = "world_countries"
-- "map.dimension" = "iso_a2"
-- "map.metric" = "aircraft"
-- column_settings = { airborne_share = { number_style = "percent", decimals = 0 } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"

select
    iso_a2,
    min(origin_country) as country,
    cast(sum(unique_aircraft) as bigint) as aircraft,
    1.0 * sum(airborne_count) / nullif(sum(total_observations), 0) as airborne_share
from country_stats
where
    iso_a2 is not null
    [[and region = {{region}}]]
group by iso_a2
order by aircraft desc, iso_a2
