-- description: Measures of each poll over all of its rows, cleaned or not.
-- grain: snapshot_time
-- kind: incremental
-- refresh: incremental

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

-- @merge
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
