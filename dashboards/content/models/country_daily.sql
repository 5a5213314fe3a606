-- title = "Countries by day"
-- description = "Observations by day (UTC) and country of registration. Days live on after the polls they come from have been dropped. The newest day is not over yet."
-- display = "table"
-- model = true
--
-- [columns]
-- fetch_date = "Day (UTC)"
-- country = "Country of registration"
-- iso_a2 = "ISO 3166 code"
-- region = "Region of registration"
-- unique_aircraft = "Aircraft"
-- total_observations = "Observations"
-- airborne_count = "Observations in the air"
-- ground_count = "Observations on the ground"
-- avg_altitude = "Mean barometric altitude (m)"
-- max_altitude = "Highest barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"
-- max_velocity = "Highest speed over ground (m/s)"
-- first_seen = "First seen (UTC)"
-- last_seen = "Last seen (UTC)"

select
    fetch_date,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    iso_a2,
    region,
    unique_aircraft,
    total_observations,
    airborne_count,
    ground_count,
    avg_altitude,
    max_altitude,
    avg_velocity,
    max_velocity,
    first_seen,
    last_seen
from country_daily
order by fetch_date desc, unique_aircraft desc, country
