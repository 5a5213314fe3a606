-- title = "Flights"
-- description = "Flights derived from the tracks of aircraft: from the take-off, or where one was first seen, to the landing, or where it was last seen. These are not scheduled flights; where receivers are few, one flight may be seen as several."
-- display = "table"
-- model = true
--
-- [columns]
-- icao24 = "ICAO 24-bit address"
-- callsign = "Callsign"
-- country = "Country of registration"
-- first_seen = "First seen (UTC)"
-- last_seen = "Last seen (UTC)"
-- takeoff_time = "Take-off (UTC)"
-- landing_time = "Landing (UTC)"
-- takeoff_seen = "Take-off seen"
-- landing_seen = "Landing seen"
-- is_open = "Still flying"
-- duration_minutes = "Duration (min)"
-- distance_m = "Distance along the track (m)"
-- max_altitude = "Highest barometric altitude (m)"
-- observations = "Polls with news of it"
-- first_latitude = "First latitude (°)"
-- first_longitude = "First longitude (°)"
-- last_latitude = "Last latitude (°)"
-- last_longitude = "Last longitude (°)"

select
    icao24,
    callsign,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    first_seen,
    last_seen,
    takeoff_time,
    landing_time,
    takeoff_seen,
    landing_seen,
    is_open,
    duration_minutes,
    distance_m,
    max_altitude,
    observations,
    first_latitude,
    first_longitude,
    last_latitude,
    last_longitude
from flights
order by first_seen desc, icao24
