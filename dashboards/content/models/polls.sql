-- title = "Polls"
-- description = "Measures of every poll that is kept, over all of its rows, with a position or not."
-- display = "table"
-- model = true
--
-- [columns]
-- snapshot_time = "Poll (UTC)"
-- aircraft_total = "Aircraft"
-- aircraft_with_position = "Aircraft with a position"
-- airborne = "In the air"
-- on_ground = "On the ground"
-- countries = "Countries of registration"
-- dq_ok = "Rows that pass the quality flags"
-- dq_ok_rate = "Share that passes"
-- avg_velocity_ms = "Mean speed over ground (m/s)"
-- max_velocity_ms = "Highest speed over ground (m/s)"

select
    snapshot_time,
    aircraft_total,
    aircraft_with_position,
    airborne,
    on_ground,
    countries,
    dq_ok,
    dq_ok_rate,
    avg_velocity_ms,
    max_velocity_ms
from kpi_history
order by snapshot_time desc
