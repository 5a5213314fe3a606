-- description: Measures of each poll over all of its rows, cleaned or not.
-- grain: snapshot_time
-- kind: incremental
-- refresh: incremental
-- daily: counted_polls by utc_date(snapshot_time)

-- @state
create table if not exists polls (
    snapshot_time timestamptz not null,
    run_id varchar not null,
    aircraft_total bigint not null,
    aircraft_with_position bigint not null,
    dq_ok bigint not null,
    on_ground bigint not null,
    airborne bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    velocity_max double,
    countries bit not null,
    last_batch bigint not null,
);
-- Days that were forgotten, so that what was published of them is taken away.
create table if not exists left_days (
    day date not null,
    batch bigint not null,
);
-- Polls of which rows were counted. They live as long as daily aggregates do.
create table if not exists counted_polls (
    snapshot_time timestamptz not null,
);

-- @merge
insert into counted_polls
with polls as (
    select snapshot_time from new_polls
),
known as (
    select *
    from counted_polls
    where snapshot_time between getvariable('first_poll') and getvariable('last_poll')
)
select snapshot_time
from polls
anti join known using (snapshot_time);

merge into polls as known
using new_polls as fresh
on known.snapshot_time = fresh.snapshot_time
    and known.snapshot_time between getvariable('first_poll') and getvariable('last_poll')
when matched then update set
    aircraft_total = known.aircraft_total + fresh.aircraft_total,
    aircraft_with_position = known.aircraft_with_position + fresh.aircraft_with_position,
    dq_ok = known.dq_ok + fresh.dq_ok,
    on_ground = known.on_ground + fresh.on_ground,
    airborne = known.airborne + fresh.airborne,
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    velocity_max = greatest(known.velocity_max, fresh.velocity_max),
    countries = known.countries | fresh.countries,
    last_batch = getvariable('batch')
when not matched then insert values (
    fresh.snapshot_time,
    getvariable('run_id'),
    fresh.aircraft_total,
    fresh.aircraft_with_position,
    fresh.dq_ok,
    fresh.on_ground,
    fresh.airborne,
    fresh.velocity_sum,
    fresh.velocity_count,
    fresh.velocity_max,
    fresh.countries,
    getvariable('batch')
);

-- @forget
insert into left_days
select distinct utc_date(snapshot_time), getvariable('batch')::bigint
from polls
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');

delete from polls
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');

delete from counted_polls
where snapshot_time >= getvariable('forget_daily_from_time')
    and snapshot_time < getvariable('forget_daily_before_time');
