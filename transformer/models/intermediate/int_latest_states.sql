-- description: All rows of the newest poll.
-- grain: icao24
-- kind: incremental
-- refresh: incremental

-- @state
create table if not exists latest_states (
    icao24 varchar not null,
    callsign varchar,
    origin_country varchar,
    time_position timestamptz,
    last_contact timestamptz,
    longitude double,
    latitude double,
    baro_altitude double,
    on_ground boolean,
    velocity double,
    true_track double,
    vertical_rate double,
    geo_altitude double,
    squawk varchar,
    spi boolean,
    position_source integer,
    category integer,
    snapshot_time timestamptz not null,
    dq_has_position boolean not null,
    dq_position_ok boolean not null,
    dq_velocity_ok boolean not null,
    dq_ok boolean not null,
);

-- @merge
delete from latest_states
where snapshot_time < (select max(snapshot_time) from new_latest_states);

insert into latest_states by name
with states as (
    select * from new_latest_states
),
flagged as (
    select
        *,
        latitude is not null and longitude is not null as dq_has_position,
        coalesce(latitude between -90 and 90 and longitude between -180 and 180, false) as dq_position_ok,
        coalesce(velocity between 0 and 400, true) as dq_velocity_ok,
    from states
    where snapshot_time >= (select max(snapshot_time) from states)
        and snapshot_time >= coalesce(
            (select max(snapshot_time) from latest_states), timestamptz '-infinity'
        )
)
select
    *,
    dq_has_position and dq_position_ok and dq_velocity_ok as dq_ok,
from flagged;

-- @forget
-- The newest poll outlives the retention, unless its own day is counted again.
delete from latest_states
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');
