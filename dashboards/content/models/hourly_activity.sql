-- title = "Hours"
-- description = "Activity by hour (UTC). An observation is one aircraft in one poll, with a position. The first and the newest hour may be cut short."
-- display = "table"
-- model = true
--
-- [columns]
-- fetch_hour = "Hour (UTC)"
-- unique_aircraft = "Aircraft"
-- total_observations = "Observations"
-- airborne_count = "Observations in the air"
-- ground_count = "Observations on the ground"
-- avg_altitude = "Mean barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"

select
    fetch_hour,
    unique_aircraft,
    total_flights as total_observations,
    airborne_count,
    ground_count,
    avg_altitude,
    avg_velocity
from hourly_activity
order by fetch_hour desc
