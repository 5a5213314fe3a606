-- description: Measures of every poll, over all of its rows, cleaned or not.
-- grain: snapshot_time
-- kind: incremental
-- refresh: affected keys
-- columns:
--   snapshot_time: the poll's own time
--   run_id: the refresh that first saw the poll
--   aircraft_total: rows of the poll
--   aircraft_with_position: rows with latitude and longitude
--   dq_ok: rows that pass every quality flag
--   dq_ok_rate: their share, 0 to 1
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   avg_velocity_ms: mean speed over ground in metres per second, nulls left out
--   max_velocity_ms: highest speed over ground in metres per second
--   countries: different countries of registration
-- audits:
--   block range(dq_ok_rate, 0, 1)
--   block sql counts_add_up:
--       select * from kpi_history where on_ground + airborne > aircraft_total
--   block sql within_total:
--       select * from kpi_history where greatest(aircraft_with_position, dq_ok) > aircraft_total
--   warn range(dq_ok_rate, 0.5, 1)

-- @parts
select distinct utc_date(snapshot_time)::varchar as part
from polls
where last_batch > getvariable('published_batch')
union
select day::varchar
from left_days
where batch > getvariable('published_batch')

-- @select
with polls as (
    select * from polls where utc_date(snapshot_time) = getvariable('part')::date
)
select
    snapshot_time,
    run_id,
    aircraft_total,
    aircraft_with_position,
    dq_ok,
    dq_ok / aircraft_total as dq_ok_rate,
    on_ground,
    airborne,
    velocity_sum / nullif(velocity_count, 0) as avg_velocity_ms,
    velocity_max as max_velocity_ms,
    bit_count(countries) as countries,
from polls
order by snapshot_time
