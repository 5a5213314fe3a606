-- title = "Ranking of countries"
-- description = "Countries of registration by aircraft seen in all polls that are kept. An observation is one aircraft in one poll. A click on a country shows it alone on this dashboard."
-- display = "table"
--
-- [columns]
-- country = "Country of registration"
-- region = "Region"
-- unique_aircraft = "Aircraft"
-- share = "Share of aircraft"
-- airborne_share = "Share of observations in the air"
-- avg_altitude = "Mean barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"
-- last_seen = "Last seen (UTC)"
--
-- [settings]
-- "table.row_index" = true
-- column_settings = { unique_aircraft = { show_mini_bar = true }, share = { number_style = "percent", decimals = 1 }, airborne_share = { number_style = "percent", decimals = 0 }, avg_altitude = { decimals = 0 }, avg_velocity = { decimals = 0 } }
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

with countries as (
    select
        coalesce(nullif(origin_country, ''), '(none)') as country,
        region,
        unique_aircraft,
        1.0 * unique_aircraft / sum(unique_aircraft) over () as share,
        1.0 * airborne_count / nullif(total_observations, 0) as airborne_share,
        avg_altitude,
        avg_velocity,
        last_seen
    from country_stats
)

select
    country,
    region,
    unique_aircraft,
    share,
    airborne_share,
    avg_altitude,
    avg_velocity,
    last_seen
from countries
where
    true
    [[and country = {{country}}]]
    [[and region = {{region}}]]
order by unique_aircraft desc, country
