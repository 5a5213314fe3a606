-- title = "Fastest aircraft"
-- description = "The 25 fastest in the air now, over ground, of the country and the region chosen, or of all; aircraft without a position or a speed are left out. Beyond 400 m/s it is mostly an error of the transponder: those rows are marked. A click on a country shows its aircraft only."
-- display = "table"
--
-- [columns]
-- rank = "Rank"
-- callsign = "Callsign"
-- icao24 = "ICAO 24-bit address"
-- country = "Country of registration"
-- position_region = "Region the aircraft is in"
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
--
-- [parameters.region]
-- title = "Region the aircraft is in"
-- type = "text"
-- values = "regions/by_region.region"

select
    row_number() over (order by velocity desc, icao24) as rank,
    callsign,
    icao24,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    position_region,
    velocity,
    case when velocity between 0 and 400 then 'yes' else 'no' end as plausible,
    baro_altitude,
    true_track,
    latitude,
    longitude
-- Not the table speed_outliers: it has the fastest of the whole sky, few or none of them of one country.
from current_positions
where
    not on_ground
    and velocity is not null
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
order by rank
limit 25
