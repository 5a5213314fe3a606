-- description: What came more than once, so that readers of the data files can leave the repeats out.
-- grain: icao24, snapshot_time
-- kind: incremental
-- refresh: incremental

-- @state
create table if not exists repeated_states (
    icao24 varchar not null,
    snapshot_time timestamptz not null,
);

-- @merge
insert into repeated_states
with repeats as (
    select distinct icao24, snapshot_time from new_repeats
),
known as (
    select icao24, snapshot_time
    from repeated_states
    where snapshot_time between getvariable('first_poll') and getvariable('last_poll')
)
select icao24, snapshot_time
from repeats
anti join known using (icao24, snapshot_time);

-- @forget
delete from repeated_states
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');
