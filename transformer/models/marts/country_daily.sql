-- description: Observations by day and country of registration, over all cleaned rows. Days live on
--   after their rows have left the lake.
-- grain: fetch_date, origin_country
-- kind: incremental
-- refresh: affected keys
-- daily: country_days by day, country_day_aircraft by day
-- columns:
--   fetch_date: day of the polls, UTC
--   origin_country: country of registration as OpenSky spells it
--   total_observations: cleaned rows
--   unique_aircraft: different icao24 addresses on that day
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   max_altitude: highest barometric altitude in metres
--   avg_velocity: mean speed over ground in metres per second, nulls left out
--   max_velocity: highest speed over ground in metres per second
--   first_seen: time of the first poll with an aircraft of the country
--   last_seen: time of the last such poll
--   ground_count: rows on the ground
--   airborne_count: rows in the air; a row that says neither counts in neither
--   iso_a2: ISO 3166 code of two letters, null for a name that is not mapped
--   region: EU, US_CA, ASIA or Other
-- audits:
--   block sql counts_add_up:
--       select * from country_daily where ground_count + airborne_count > total_observations
--   block sql aircraft_within_rows:
--       select * from country_daily where unique_aircraft not between 1 and total_observations
--   block sql times_in_order: select * from country_daily where first_seen > last_seen
--   warn range(avg_velocity, 0, 400)

-- @state
create table if not exists country_days (
    day date not null,
    origin_country varchar not null,
    observations bigint not null,
    unique_aircraft bigint not null,
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
    last_batch bigint not null,
);
-- Who was seen on a day, so that rows that come later count an aircraft once.
create table if not exists country_day_aircraft (
    day date not null,
    origin_country varchar not null,
    aircraft uinteger not null,
);

-- Days that were forgotten, so that what was published of them is taken away.
create table if not exists left_daily_days (
    day date not null,
    batch bigint not null,
);

-- @merge
create or replace temp table new_country_day_aircraft as
with arrived as (
    select distinct utc_date(hour) as day, origin_country, aircraft
    from new_aircraft_hours
    where origin_country is not null
),
known as (
    select *
    from country_day_aircraft
    where day between getvariable('first_day') and getvariable('last_day')
)
select day, origin_country, aircraft
from arrived
anti join known using (day, origin_country, aircraft);

insert into country_day_aircraft
select day, origin_country, aircraft from new_country_day_aircraft;

merge into country_days as known
using (
    with hours as (
        select * from new_aircraft_hours where origin_country is not null
    ),
    aircraft as (
        select day, origin_country, count(*) as unique_aircraft
        from new_country_day_aircraft
        group by all
    ),
    measured as (
        select
            utc_date(hour) as day,
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
        from hours
        group by all
    )
    select
        measured.*,
        coalesce(aircraft.unique_aircraft, 0) as unique_aircraft,
        getvariable('batch') as last_batch,
    from measured
    left join aircraft using (day, origin_country)
) as fresh
on known.day = fresh.day
    and known.origin_country = fresh.origin_country
    and known.day between getvariable('first_day') and getvariable('last_day')
when matched then update set
    observations = known.observations + fresh.observations,
    unique_aircraft = known.unique_aircraft + fresh.unique_aircraft,
    altitude_sum = known.altitude_sum + fresh.altitude_sum,
    altitude_count = known.altitude_count + fresh.altitude_count,
    altitude_max = greatest(known.altitude_max, fresh.altitude_max),
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    velocity_max = greatest(known.velocity_max, fresh.velocity_max),
    first_seen = least(known.first_seen, fresh.first_seen),
    last_seen = greatest(known.last_seen, fresh.last_seen),
    ground = known.ground + fresh.ground,
    airborne = known.airborne + fresh.airborne,
    last_batch = fresh.last_batch
when not matched then insert by name;

-- @forget
insert into left_daily_days
select distinct day, getvariable('batch')::bigint
from country_days
where day between getvariable('forget_daily_from') and getvariable('forget_daily_to');

delete from country_days
where day between getvariable('forget_daily_from') and getvariable('forget_daily_to');

delete from country_day_aircraft
where day between getvariable('forget_daily_from') and getvariable('forget_daily_to');

-- @parts
-- A part is a month, named by its first day.
select distinct (date_trunc('month', day))::date::varchar as part
from country_days
where last_batch > getvariable('published_batch')
union
select distinct (date_trunc('month', day))::date::varchar
from left_daily_days
where batch > getvariable('published_batch')

-- @select
with days as (
    select * from country_days where date_trunc('month', day) = getvariable('part')::date
),
countries as (
    select * from countries
)
select
    days.day as fetch_date,
    days.origin_country,
    days.observations as total_observations,
    days.unique_aircraft,
    days.altitude_sum / nullif(days.altitude_count, 0) as avg_altitude,
    days.altitude_max as max_altitude,
    days.velocity_sum / nullif(days.velocity_count, 0) as avg_velocity,
    days.velocity_max as max_velocity,
    days.first_seen,
    days.last_seen,
    days.ground as ground_count,
    days.airborne as airborne_count,
    countries.iso_a2,
    coalesce(countries.region, 'Other') as region,
from days
left join countries using (origin_country)
order by fetch_date, days.origin_country
