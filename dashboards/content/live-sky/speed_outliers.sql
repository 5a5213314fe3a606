-- title = "Fastest aircraft"
-- description = "The 25 fastest in the air now, over ground. Beyond 400 m/s it is mostly an error of the transponder: those rows are marked. A click on a country shows its aircraft only."
-- display = "table"
--
-- [columns]
-- rank = "Rank"
-- callsign = "Callsign"
-- icao24 = "ICAO 24-bit address"
-- country = "Country of registration"
-- region = "Region of registration"
-- velocity = "Speed over ground (m/s)"
-- plausible = "Plausible"
-- baro_altitude = "Barometric altitude (m)"
-- true_track = "Track (° from north)"
-- latitude = "Latitude (°)"
-- longitude = "Longitude (°)"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["plausible"], type = "single", operator = "=", value = "no", color = "#EF8C8C", highlight_row = true }]
-- column_settings = { velocity = { decimals = 1, show_mini_bar = true }, baro_altitude = { decimals = 0 }, true_track = { decimals = 0 }, latitude = { decimals = 2 }, longitude = { decimals = 2 } }
--
-- [parameters.country]
-- title = "Country of registration"
-- type = "text"
-- values = "models/country_stats.country"

select
    rank,
    callsign,
    icao24,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    region,
    velocity,
    case when dq_velocity_ok then 'yes' else 'no' end as plausible,
    baro_altitude,
    true_track,
    latitude,
    longitude
from speed_outliers
where
    true
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
order by rank
