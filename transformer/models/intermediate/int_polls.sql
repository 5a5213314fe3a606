-- description: Measures of each poll over all of its rows, cleaned or not.
-- grain: snapshot_time
-- kind: incremental
-- depends: int_new_states, recent_states

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
    countries bigint not null,
    last_batch bigint not null,
);

-- @merge
insert into recent_polls
with states as (
    select distinct snapshot_time from int_new_states
)
select snapshot_time, getvariable('batch')
from states
anti join recent_polls using (snapshot_time);

insert into recent_states
select snapshot_time, aircraft, origin_country from int_new_states;

merge into polls as known
using (
    with states as (
        select * from int_new_states
    ),
    countries as (
        select snapshot_time, count(distinct origin_country) as countries
        from recent_states
        where snapshot_time in (select snapshot_time from states)
        group by snapshot_time
    ),
    measured as (
        select
            snapshot_time,
            count(*) as aircraft_total,
            count(*) filter (where dq_has_position) as aircraft_with_position,
            count(*) filter (where dq_ok) as dq_ok,
            count(*) filter (where on_ground) as on_ground,
            count(*) filter (where not on_ground) as airborne,
            coalesce(sum(velocity), 0) as velocity_sum,
            count(velocity) as velocity_count,
            max(velocity) as velocity_max,
        from states
        group by snapshot_time
    )
    select measured.*, countries.countries
    from measured
    join countries using (snapshot_time)
) as fresh
on known.snapshot_time = fresh.snapshot_time
when matched then update set
    aircraft_total = known.aircraft_total + fresh.aircraft_total,
    aircraft_with_position = known.aircraft_with_position + fresh.aircraft_with_position,
    dq_ok = known.dq_ok + fresh.dq_ok,
    on_ground = known.on_ground + fresh.on_ground,
    airborne = known.airborne + fresh.airborne,
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    velocity_max = greatest(known.velocity_max, fresh.velocity_max),
    countries = fresh.countries,
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
