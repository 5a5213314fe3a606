-- description: Activity by hour, over all cleaned rows within the retention.
-- grain: fetch_hour
-- kind: incremental
-- refresh: incremental
-- columns:
--   fetch_hour: start of the hour, UTC
--   total_flights: cleaned rows of the hour's polls
--   unique_aircraft: different icao24 addresses in the hour
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   avg_velocity: mean speed over ground in metres per second, nulls left out
--   ground_count: rows on the ground
--   airborne_count: rows in the air; a row that says neither counts in neither
-- audits:
--   block sql counts_add_up:
--       select * from hourly_activity where ground_count + airborne_count > total_flights
--   block sql aircraft_within_rows:
--       select * from hourly_activity where unique_aircraft not between 1 and total_flights
--   block sql whole_hours: select * from hourly_activity where epoch(fetch_hour) % 3600 <> 0
--   warn range(avg_altitude, -500, 20000)
--   warn range(avg_velocity, 0, 400)

-- @state
create table if not exists hours (
    hour timestamptz not null,
    observations bigint not null,
    unique_aircraft bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    ground bigint not null,
    airborne bigint not null,
);
create table if not exists hour_aircraft (
    hour timestamptz not null,
    aircraft uinteger not null,
);

-- @merge
create or replace temp table new_hour_aircraft as
with states as (
    select distinct hour, aircraft from new_aircraft_hours
),
known as (
    select *
    from hour_aircraft
    where hour between getvariable('first_hour') and getvariable('last_hour')
)
select hour, aircraft
from states
anti join known using (hour, aircraft);

insert into hour_aircraft
select hour, aircraft from new_hour_aircraft;

merge into hours as known
using (
    with activity as (
        select * from new_aircraft_hours
    ),
    aircraft as (
        select hour, count(*) as unique_aircraft from new_hour_aircraft group by hour
    ),
    measured as (
        select
            hour,
            sum(observations)::bigint as observations,
            sum(altitude_sum) as altitude_sum,
            sum(altitude_count)::bigint as altitude_count,
            sum(velocity_sum) as velocity_sum,
            sum(velocity_count)::bigint as velocity_count,
            sum(ground)::bigint as ground,
            sum(airborne)::bigint as airborne,
        from activity
        group by hour
    )
    select measured.*, coalesce(aircraft.unique_aircraft, 0) as unique_aircraft
    from measured
    left join aircraft using (hour)
) as fresh
on known.hour = fresh.hour
when matched then update set
    observations = known.observations + fresh.observations,
    unique_aircraft = known.unique_aircraft + fresh.unique_aircraft,
    altitude_sum = known.altitude_sum + fresh.altitude_sum,
    altitude_count = known.altitude_count + fresh.altitude_count,
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    ground = known.ground + fresh.ground,
    airborne = known.airborne + fresh.airborne
when not matched then insert by name;

-- @forget
delete from hours
where hour >= getvariable('forget_from_time') and hour < getvariable('forget_before_time');

delete from hour_aircraft
where hour >= getvariable('forget_from_time') and hour < getvariable('forget_before_time');

-- @select
with hours as (
    select * from hours
)
select
    hour as fetch_hour,
    observations as total_flights,
    unique_aircraft,
    altitude_sum / nullif(altitude_count, 0) as avg_altitude,
    velocity_sum / nullif(velocity_count, 0) as avg_velocity,
    ground as ground_count,
    airborne as airborne_count,
from hours
order by hour
