-- description: Observations by country of registration, over all cleaned rows within the retention.
-- grain: origin_country
-- kind: incremental
-- refresh: incremental
-- columns:
--   origin_country: country of registration as OpenSky spells it
--   total_observations: cleaned rows
--   unique_aircraft: different icao24 addresses
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   avg_velocity: mean speed over ground in metres per second, nulls left out
--   first_seen: time of the first poll with an aircraft of the country
--   last_seen: time of the last such poll
--   ground_count: rows on the ground
--   airborne_count: rows in the air; a row that says neither counts in neither
--   iso_a2: ISO 3166 code of two letters, null for a name that is not mapped
--   region: EU, US_CA, ASIA or Other
-- audits:
--   block sql counts_add_up:
--       select * from country_stats where ground_count + airborne_count > total_observations
--   block sql aircraft_within_rows:
--       select * from country_stats where unique_aircraft not between 1 and total_observations
--   block sql times_in_order: select * from country_stats where first_seen > last_seen
--   warn range(avg_altitude, -500, 20000)
--   warn range(avg_velocity, 0, 400)
--   warn sql unmapped_country:
--       select * from country_stats
--       where origin_country not in (select origin_country from countries)

-- @state
create table if not exists country_day (
    day date not null,
    origin_country varchar not null,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    ground bigint not null,
    airborne bigint not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
);
create table if not exists country_aircraft (
    origin_country varchar not null,
    aircraft uinteger not null,
    last_day date not null,
);

-- @merge
merge into country_day as known
using (
    with hours as (
        select * from new_aircraft_hours where origin_country is not null
    )
    select
        utc_date(hour) as day,
        origin_country,
        sum(observations)::bigint as observations,
        sum(altitude_sum) as altitude_sum,
        sum(altitude_count)::bigint as altitude_count,
        sum(velocity_sum) as velocity_sum,
        sum(velocity_count)::bigint as velocity_count,
        sum(ground)::bigint as ground,
        sum(airborne)::bigint as airborne,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
    from hours
    group by all
) as fresh
on known.day = fresh.day
    and known.origin_country = fresh.origin_country
    and known.day between getvariable('first_day') and getvariable('last_day')
when matched then update set
    observations = known.observations + fresh.observations,
    altitude_sum = known.altitude_sum + fresh.altitude_sum,
    altitude_count = known.altitude_count + fresh.altitude_count,
    velocity_sum = known.velocity_sum + fresh.velocity_sum,
    velocity_count = known.velocity_count + fresh.velocity_count,
    ground = known.ground + fresh.ground,
    airborne = known.airborne + fresh.airborne,
    first_seen = least(known.first_seen, fresh.first_seen),
    last_seen = greatest(known.last_seen, fresh.last_seen)
when not matched then insert by name;

merge into country_aircraft as known
using (
    with hours as (
        select * from new_aircraft_hours where origin_country is not null
    )
    select origin_country, aircraft, utc_date(max(hour)) as last_day
    from hours
    group by all
) as fresh
on known.aircraft = fresh.aircraft and known.origin_country = fresh.origin_country
when matched and fresh.last_day > known.last_day then update set last_day = fresh.last_day
when not matched then insert by name;

-- @forget
delete from country_day
where day between getvariable('forget_from') and getvariable('forget_to');

create or replace temp table forgotten_country_aircraft as
select origin_country, aircraft
from country_aircraft
where last_day between getvariable('forget_from') and getvariable('forget_to');

delete from country_aircraft
where last_day between getvariable('forget_from') and getvariable('forget_to');

-- Who was there on earlier days too, which are not forgotten.
insert into country_aircraft by name
with days as (
    select day, origin_country, aircraft
    from aircraft_day
    where day < getvariable('forget_from')
    union all
    select day, origin_country, aircraft
    from aircraft_day_waiting
    where day < getvariable('forget_from')
),
forgotten as (
    select * from forgotten_country_aircraft
)
select origin_country, aircraft, max(day) as last_day
from days
semi join forgotten using (origin_country, aircraft)
group by all;

drop table forgotten_country_aircraft;

-- @select
with days as (
    select * from country_day
),
aircraft as (
    select origin_country, count(*) as unique_aircraft from country_aircraft group by origin_country
),
countries as (
    select * from countries
),
totals as (
    select
        origin_country,
        sum(observations)::bigint as total_observations,
        sum(altitude_sum) / nullif(sum(altitude_count), 0) as avg_altitude,
        sum(velocity_sum) / nullif(sum(velocity_count), 0) as avg_velocity,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(ground)::bigint as ground_count,
        sum(airborne)::bigint as airborne_count,
    from days
    group by origin_country
)
select
    totals.origin_country,
    totals.total_observations,
    aircraft.unique_aircraft,
    totals.avg_altitude,
    totals.avg_velocity,
    totals.first_seen,
    totals.last_seen,
    totals.ground_count,
    totals.airborne_count,
    countries.iso_a2,
    coalesce(countries.region, 'Other') as region,
from totals
join aircraft using (origin_country)
left join countries using (origin_country)
order by totals.origin_country
