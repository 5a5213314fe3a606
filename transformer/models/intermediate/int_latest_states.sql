-- description: All rows of the newest poll.
-- grain: icao24
-- kind: incremental
-- depends: int_new_states

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
where snapshot_time < (select max(snapshot_time) from int_new_states);

insert into latest_states by name
with states as (
    select * from int_new_states
),
newest as (
    select max(snapshot_time) as snapshot_time
    from (
        select snapshot_time from latest_states
        union all
        select snapshot_time from states
    )
)
select
    states.icao24,
    states.callsign,
    states.origin_country,
    states.time_position,
    states.last_contact,
    states.longitude,
    states.latitude,
    states.baro_altitude,
    states.on_ground,
    states.velocity,
    states.true_track,
    states.vertical_rate,
    states.geo_altitude,
    states.squawk,
    states.spi,
    states.position_source,
    states.category,
    states.snapshot_time,
    states.dq_has_position,
    states.dq_position_ok,
    states.dq_velocity_ok,
    states.dq_ok,
from states
semi join newest using (snapshot_time);
