-- description: Percentiles of the speeds of the newest poll. All speeds count, those outside of 0 to
--   400 m/s too; between two neighbours a percentile is interpolated.
-- grain: one row
-- kind: full
-- refresh: full
-- columns:
--   snapshot_time: the poll's own time
--   aircraft: rows of the poll with a speed
--   outside: those of them below 0 or above 400 m/s, which velocity_distribution leaves out
--   p50: half of the aircraft are not faster, metres per second
--   p90: nine of ten are not faster
--   p99: ninety-nine of a hundred are not faster
--   p50_in_air: p50 of the aircraft in the air
--   p90_in_air: p90 of the aircraft in the air
--   p99_in_air: p99 of the aircraft in the air
-- audits:
--   block sql in_order: select * from velocity_percentiles where p50 > p90 or p90 > p99
--   block sql outside_within_all: select * from velocity_percentiles where outside > aircraft
--   warn range(p99, 0, 400)

-- @select
with states as (
    select * from int_latest_states
)
select
    max(snapshot_time) as snapshot_time,
    count(velocity) as aircraft,
    count(*) filter (where not dq_velocity_ok) as outside,
    quantile_cont(velocity, 0.5) as p50,
    quantile_cont(velocity, 0.9) as p90,
    quantile_cont(velocity, 0.99) as p99,
    quantile_cont(velocity, 0.5) filter (where not on_ground) as p50_in_air,
    quantile_cont(velocity, 0.9) filter (where not on_ground) as p90_in_air,
    quantile_cont(velocity, 0.99) filter (where not on_ground) as p99_in_air,
from states
having count(*) > 0
