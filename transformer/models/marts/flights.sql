-- description: Flights, derived from the tracks of aircraft: from the take-off, or where one was
--   first seen, to the landing, or where it was last seen. What separates two is in
--   transformer/src/flights/rules.rs.
-- grain: icao24, first_seen
-- kind: incremental
-- refresh: affected keys
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: the last callsign sent in the air, null when none was
--   origin_country: country of registration as OpenSky spells it
--   first_seen: poll that saw it last on the ground before the take-off, or first in the air
--   last_seen: poll that saw it first on the ground after the landing, or last in the air
--   takeoff_time: first poll that saw it in the air, null when the take-off was not seen
--   landing_time: first poll that saw it landed, or the last one sinking near the ground; null when the landing was not seen
--   takeoff_seen: the take-off was seen
--   landing_seen: the landing was seen
--   first_latitude: first known position, degrees, north positive
--   first_longitude: first known position, degrees, east positive
--   last_latitude: last known position, degrees, north positive
--   last_longitude: last known position, degrees, east positive
--   max_altitude: highest barometric altitude in metres
--   distance_m: length of the track in metres, by great circles; jumps of the receivers are left out
--   duration_minutes: from first_seen to last_seen
--   observations: polls that had news of it
--   is_open: neither landed nor silent for 20 minutes as of the newest poll
-- audits:
--   block sql times_in_order:
--       select * from flights
--       where first_seen > last_seen or takeoff_time < first_seen or landing_time > last_seen
--   warn range(duration_minutes, 0, 1440)
--   warn range(distance_m, 0, 25000000)

-- @state
-- Flights that have ended. Those of the last hours lie apart, so that parts of whole days are
-- not written again with every flight that lands.
create table if not exists flights_recent (
    aircraft uinteger not null,
    callsign varchar,
    country uinteger not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    takeoff_time timestamptz,
    landing_time timestamptz,
    first_latitude double,
    first_longitude double,
    last_latitude double,
    last_longitude double,
    max_altitude double,
    centimetres bigint not null,
    observations bigint not null,
    is_open boolean not null,
);
create table if not exists flights_past as from flights_recent limit 0;
-- Days whose part is to be written after a batch.
create table if not exists flight_days (
    day date not null,
    last_batch bigint not null,
);
-- The tracks that go on, as of the end of a batch.
create table if not exists flight_tracker (
    batch bigint not null,
    bytes blob not null,
);

-- @forget
-- Only days whose time is over: of days that are counted again the rows come late, and what they
-- touch is derived again, with flights that reach beyond the days. A flight that goes on into the
-- days that are kept stays until those leave too, so that late rows find all of it; the select
-- does not show it.
create or replace temp table flights_over as
with past as (
    select first_seen from flights_past
)
select distinct utc_date(first_seen) as day
from past
where getvariable('forget_from') <= date '0001-01-01'
    and first_seen < getvariable('forget_before_time');

merge into flight_days as known
using flights_over as over
on known.day = over.day
when matched then update set last_batch = getvariable('batch')
when not matched then insert values (
    over.day, getvariable('batch')
);

delete from flights_past
where getvariable('forget_from') <= date '0001-01-01'
    and last_seen < getvariable('forget_before_time');

delete from flights_recent
where getvariable('forget_from') <= date '0001-01-01'
    and last_seen < getvariable('forget_before_time');

-- @settle
-- Some 5,000 flights are an hour's worth of the whole world.
create or replace temp table flights_settling as
with recent as (
    select utc_date(first_seen) as day from flights_recent
)
select day
from recent
where (select count(*) from recent) > 5000
group by day;

merge into flight_days as known
using flights_settling as changed
on known.day = changed.day
when matched then update set last_batch = getvariable('flights_batch')
when not matched then insert values (
    changed.day, getvariable('flights_batch')
);

insert into flights_past
select * from flights_recent where (select count(*) from flights_settling) > 0;

delete from flights_recent where (select count(*) from flights_settling) > 0;

-- @parts
-- Those that go on are a part too, which the program writes: transformer/src/flights/rows.rs.
select 'recent' as part
union all
select day::varchar as part from flight_days where last_batch >= getvariable('published_batch')

-- @select
with past as (
    select *
    from flights_past
    where utc_date(first_seen) = try_cast(getvariable('part') as date)
),
recent as (
    select * from flights_recent where getvariable('part') = 'recent'
),
others as (
    select * from other_aircraft
),
countries as (
    select * from country_ids
),
flights as (
    select * from past
    union all
    select * from recent
)
select
    coalesce(others.icao24, printf('%06x', flights.aircraft)) as icao24,
    flights.callsign,
    countries.origin_country,
    flights.first_seen,
    flights.last_seen,
    flights.takeoff_time,
    flights.landing_time,
    flights.takeoff_time is not null as takeoff_seen,
    flights.landing_time is not null as landing_seen,
    flights.first_latitude,
    flights.first_longitude,
    flights.last_latitude,
    flights.last_longitude,
    flights.max_altitude,
    flights.centimetres / 100 as distance_m,
    (epoch_us(flights.last_seen) - epoch_us(flights.first_seen)) / 60000000 as duration_minutes,
    flights.observations,
    flights.is_open,
from flights
left join others using (aircraft)
left join countries on flights.country = countries.country_id
where flights.first_seen >= coalesce(getvariable('flights_since'), timestamptz '-infinity')
order by flights.first_seen, flights.aircraft
