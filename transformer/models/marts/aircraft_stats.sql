-- description: Observations by aircraft and callsign, over all cleaned rows within the retention.
-- grain: icao24, callsign?, origin_country?
-- kind: incremental
-- refresh: incremental
-- publish: 2% of the time, at least every 5m
-- backlog: settle
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: callsign, null when none was sent
--   origin_country: country of registration as OpenSky spells it
--   total_observations: cleaned rows
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   max_altitude: highest barometric altitude in metres
--   avg_velocity: mean speed over ground in metres per second, nulls left out
--   max_velocity: highest speed over ground in metres per second
--   first_seen: time of the first poll
--   last_seen: time of the last poll
--   ground_observations: rows on the ground
--   airborne_observations: rows in the air; a row that says neither counts in neither
-- audits:
--   block sql counts_add_up:
--       select *
--       from aircraft_stats
--       where ground_observations + airborne_observations > total_observations
--   block sql times_in_order: select * from aircraft_stats where first_seen > last_seen
--   block sql averages_below_maxima:
--       select *
--       from aircraft_stats
--       where (
--           avg_altitude > max_altitude + 0.001 + abs(max_altitude) / 1e9
--           and isfinite(avg_altitude)
--       )
--       or (
--           avg_velocity > max_velocity + 0.001 + abs(max_velocity) / 1e9
--           and isfinite(avg_velocity)
--       )

-- @state
create table if not exists aircraft_day (
    day date not null,
    aircraft uinteger not null,
    callsign varchar,
    origin_country varchar,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
    altitude_max double,
    velocity_sum double not null,
    velocity_count bigint not null,
    velocity_max double,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    ground bigint not null,
    airborne bigint not null,
);
-- What came since the mart was published last: an update costs ten times what an insert does, and
-- the next poll would update the same rows again.
create table if not exists aircraft_day_waiting as from aircraft_day limit 0;
create table if not exists aircraft_parts (
    part integer not null,
    last_batch bigint not null,
);

-- @merge
insert into aircraft_day_waiting by name
select utc_date(hour) as day, * exclude (hour) from new_aircraft_hours;

-- Which parts of the mart a batch has changed: 16 by the first digit of the address, and one for
-- those that are none.
merge into aircraft_parts as known
using (
    with hours as (
        select * from new_aircraft_hours
    )
    select distinct aircraft_part(aircraft) as part from hours
) as fresh
on known.part = fresh.part
when matched then update set last_batch = getvariable('batch')
when not matched then insert values (fresh.part, getvariable('batch'));

-- @forget
update aircraft_parts
set last_batch = getvariable('batch')
where part in (
    select aircraft_part(aircraft)
    from (
        select day, aircraft from aircraft_day
        union all
        select day, aircraft from aircraft_day_waiting
    ) as days
    where day between getvariable('forget_from') and getvariable('forget_to')
);

delete from aircraft_day
where day between getvariable('forget_from') and getvariable('forget_to');

delete from aircraft_day_waiting
where day between getvariable('forget_from') and getvariable('forget_to');

-- @settle
set variable first_waiting_day = (select min(day) from aircraft_day_waiting);

-- Rows are taken out and put back rather than updated: an update of a row loads all of its columns
-- again, in no order, which takes a hundred times as long where memory is short.
create or replace temp table aircraft_day_settled as
with waiting as (
    select * from aircraft_day_waiting
),
known as (
    select *
    from aircraft_day
    where day >= getvariable('first_waiting_day')
),
together as (
    select * from waiting
    union all
    select * from known semi join waiting using (day, aircraft)
)
select
    day,
    aircraft,
    callsign,
    origin_country,
    sum(observations)::bigint as observations,
    sum(altitude_sum) as altitude_sum,
    sum(altitude_count)::bigint as altitude_count,
    max(altitude_max) as altitude_max,
    sum(velocity_sum) as velocity_sum,
    sum(velocity_count)::bigint as velocity_count,
    max(velocity_max) as velocity_max,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(ground)::bigint as ground,
    sum(airborne)::bigint as airborne,
from together
group by all;

delete from aircraft_day
where day >= getvariable('first_waiting_day')
    and (day, aircraft) in (select day, aircraft from aircraft_day_settled);

insert into aircraft_day by name select * from aircraft_day_settled;

drop table aircraft_day_settled;

delete from aircraft_day_waiting;

-- @parts
select part::varchar as part, last_batch
from aircraft_parts
where last_batch > getvariable('published_batch')

-- @select
with days as (
    select *
    from aircraft_day
    where aircraft >= getvariable('part')::bigint * 1048576
        and (aircraft < (getvariable('part')::bigint + 1) * 1048576 or getvariable('part') = '16')
),
others as (
    select * from other_aircraft
),
totals as (
    select
        aircraft,
        callsign,
        origin_country,
        sum(observations)::bigint as total_observations,
        sum(altitude_sum) / nullif(sum(altitude_count), 0) as avg_altitude,
        max(altitude_max) as max_altitude,
        sum(velocity_sum) / nullif(sum(velocity_count), 0) as avg_velocity,
        max(velocity_max) as max_velocity,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(ground)::bigint as ground_observations,
        sum(airborne)::bigint as airborne_observations,
    from days
    group by all
)
select
    coalesce(others.icao24, printf('%06x', totals.aircraft)) as icao24,
    totals.* exclude (aircraft),
from totals
left join others using (aircraft)
