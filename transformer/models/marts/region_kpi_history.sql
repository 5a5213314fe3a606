-- description: Measures of every poll by region of registration, over all of its rows, cleaned or
--   not. A region without a row in a poll is left out of it.
-- grain: snapshot_time, region
-- kind: incremental
-- refresh: affected keys
-- columns:
--   snapshot_time: the poll's own time
--   region: EU, US_CA, ASIA or Other, by country of registration
--   aircraft_total: rows of the poll
--   aircraft_share: their share of the poll, 0 to 1
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   dq_ok: rows that pass every quality flag
--   dq_ok_rate: their share, 0 to 1
--   avg_velocity_ms: mean speed over ground in metres per second, nulls left out
--   avg_velocity_ms_in_air: the same over rows in the air only
-- audits:
--   block range(dq_ok_rate, 0, 1)
--   block range(aircraft_share, 0, 1)
--   block sql counts_add_up:
--       select * from region_kpi_history where on_ground + airborne > aircraft_total

-- @state
create table if not exists region_polls (
    snapshot_time timestamptz not null,
    region varchar not null,
    aircraft_total bigint not null,
    on_ground bigint not null,
    airborne bigint not null,
    dq_ok bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    velocity_sum_in_air double not null,
    velocity_count_in_air bigint not null,
    last_batch bigint not null,
);

-- @merge
merge into region_polls as known
using (
    select *, getvariable('batch') as last_batch from new_region_polls
) as fresh
on known.snapshot_time = fresh.snapshot_time
    and known.region = fresh.region
    and known.snapshot_time >= getvariable('first_hour')
when matched then update set
    aircraft_total = known.aircraft_total + fresh.aircraft_total,
    on_ground = known.on_ground + fresh.on_ground,
    airborne = known.airborne + fresh.airborne,
    dq_ok = known.dq_ok + fresh.dq_ok,
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    velocity_sum_in_air = known.velocity_sum_in_air + fresh.velocity_sum_in_air,
    velocity_count_in_air = known.velocity_count_in_air + fresh.velocity_count_in_air,
    last_batch = fresh.last_batch
when not matched then insert by name;

-- @forget
delete from region_polls
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');

-- @parts
select distinct utc_date(snapshot_time)::varchar as part
from region_polls
where last_batch > getvariable('published_batch')
union
select day::varchar
from left_days
where batch > getvariable('published_batch')

-- @select
with polls as (
    select * from region_polls where utc_date(snapshot_time) = getvariable('part')::date
)
select
    snapshot_time,
    region,
    aircraft_total,
    aircraft_total / sum(aircraft_total) over (partition by snapshot_time) as aircraft_share,
    on_ground,
    airborne,
    dq_ok,
    dq_ok / aircraft_total as dq_ok_rate,
    velocity_sum / nullif(velocity_count, 0) as avg_velocity_ms,
    velocity_sum_in_air / nullif(velocity_count_in_air, 0) as avg_velocity_ms_in_air,
from polls
order by snapshot_time, region
