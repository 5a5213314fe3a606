-- title = "Where they are"
-- description = "Positions of the newest poll. From 1,000 aircraft on, Metabase draws dots, at most 2,000 a map tile: zoom in, or choose a country or a region. Below 1,000 it draws pins that say which aircraft they are. As rows it shows 2,000: an even sample, in the order of a hash of the address."
-- display = "map"
--
-- [columns]
-- latitude = "Latitude (°)"
-- longitude = "Longitude (°)"
-- callsign = "Callsign"
-- icao24 = "ICAO 24-bit address"
-- country = "Country of registration"
-- baro_altitude = "Barometric altitude (m)"
-- velocity = "Speed over ground (m/s)"
-- true_track = "Track (° from north)"
-- vertical_rate = "Vertical rate (m/s)"
-- on_ground = "On the ground"
-- squawk = "Squawk"
-- last_contact = "Last contact (UTC)"
--
-- [settings]
-- "map.type" = "pin"
-- "map.latitude_column" = "latitude"
-- "map.longitude_column" = "longitude"
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
    latitude,
    longitude,
    callsign,
    icao24,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    baro_altitude,
    velocity,
    true_track,
    vertical_rate,
    on_ground,
    squawk,
    last_contact
from current_positions
where
    true
    [[and coalesce(nullif(origin_country, ''), '(none)') = {{country}}]]
    [[and position_region = {{region}}]]
-- Addresses are given out by country: by themselves, the first 2,000 would be a few countries.
order by md5(icao24), icao24
