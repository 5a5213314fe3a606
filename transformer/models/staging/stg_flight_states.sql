-- description: Rows of the batch's data files, typed, with a compact aircraft key and quality flags.
-- grain: one row of one data file; an aircraft may still repeat within a poll
-- kind: table
-- depends: lake_flight_states, other_aircraft

-- @state
-- Aircraft ids that are not six lower-case hexadecimal digits. The others are their own number.
create table if not exists other_aircraft (
    icao24 varchar not null,
    aircraft uinteger not null,
);

-- @merge
insert into other_aircraft
with unknown as (
    select distinct icao24
    from lake_flight_states
    where not regexp_full_match(icao24, '[0-9a-f]{6}')
),
known as (
    select * from other_aircraft
)
select
    unknown.icao24,
    16777216 + (select count(*) from known) + row_number() over (order by unknown.icao24) - 1,
from unknown
anti join known using (icao24);

-- @select
with states as (
    select * from lake_flight_states
),
others as (
    select * from other_aircraft
),
flagged as (
    select
        states.* exclude (sensors),
        coalesce(
            others.aircraft,
            case
                when regexp_full_match(states.icao24, '[0-9a-f]{6}')
                    then ('0x' || states.icao24)::uinteger
            end
        ) as aircraft,
        latitude is not null and longitude is not null as dq_has_position,
        coalesce(latitude between -90 and 90 and longitude between -180 and 180, false) as dq_position_ok,
        coalesce(velocity between 0 and 400, true) as dq_velocity_ok,
    from states
    left join others on states.icao24 = others.icao24
)
select
    *,
    dq_has_position and dq_position_ok and dq_velocity_ok as dq_ok,
    utc_date(snapshot_time) as snapshot_day,
    utc_hour(snapshot_time) as snapshot_hour,
from flagged
