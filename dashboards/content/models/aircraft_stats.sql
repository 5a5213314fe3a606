-- title = "Aircraft"
-- description = "Observations by aircraft and callsign, over all polls that are kept. An aircraft that changed its callsign has a row for each. May be minutes behind the newest poll."
-- display = "table"
-- model = true
--
-- [columns]
-- icao24 = "ICAO 24-bit address"
-- callsign = "Callsign"
-- country = "Country of registration"
-- total_observations = "Observations"
-- airborne_observations = "Observations in the air"
-- ground_observations = "Observations on the ground"
-- avg_altitude = "Mean barometric altitude (m)"
-- max_altitude = "Highest barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"
-- max_velocity = "Highest speed over ground (m/s)"
-- first_seen = "First seen (UTC)"
-- last_seen = "Last seen (UTC)"

select
    icao24,
    callsign,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    total_observations,
    airborne_observations,
    ground_observations,
    avg_altitude,
    max_altitude,
    avg_velocity,
    max_velocity,
    first_seen,
    last_seen
from aircraft_stats
order by icao24, callsign, country
