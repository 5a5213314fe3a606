-- title = "Countries"
-- description = "Observations by country of registration, over all polls that are kept. An observation is one aircraft in one poll, with a position. Averages leave out what was not sent."
-- display = "table"
-- model = true
--
-- [columns]
-- country = "Country of registration"
-- iso_a2 = "ISO 3166 code"
-- region = "Region of registration"
-- unique_aircraft = "Aircraft"
-- total_observations = "Observations"
-- airborne_count = "Observations in the air"
-- ground_count = "Observations on the ground"
-- avg_altitude = "Mean barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"
-- first_seen = "First seen (UTC)"
-- last_seen = "Last seen (UTC)"

select
    coalesce(nullif(origin_country, ''), '(none)') as country,
    iso_a2,
    region,
    unique_aircraft,
    total_observations,
    airborne_count,
    ground_count,
    avg_altitude,
    avg_velocity,
    first_seen,
    last_seen
from country_stats
order by unique_aircraft desc, country
