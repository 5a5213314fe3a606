-- title = "Operators by day"
-- description = "Activity by day (UTC) and operator. The operator is the ICAO designator that an airline's callsigns begin with: three letters before a digit, as DLH in DLH4AB. Flights under a registration or without a callsign are (none)."
-- display = "table"
-- model = true
--
-- [columns]
-- fetch_date = "Day (UTC)"
-- operator = "Operator (ICAO designator)"
-- unique_aircraft = "Aircraft"
-- unique_callsigns = "Callsigns"
-- total_observations = "Observations"
-- airborne_count = "Observations in the air"
-- ground_count = "Observations on the ground"
-- avg_altitude = "Mean barometric altitude (m)"
-- avg_velocity = "Mean speed over ground (m/s)"
-- first_seen = "First seen (UTC)"
-- last_seen = "Last seen (UTC)"

select
    fetch_date,
    coalesce(operator, '(none)') as operator,
    unique_aircraft,
    unique_callsigns,
    total_observations,
    airborne_count,
    ground_count,
    avg_altitude,
    avg_velocity,
    first_seen,
    last_seen
from operator_daily
order by fetch_date desc, unique_aircraft desc, operator
