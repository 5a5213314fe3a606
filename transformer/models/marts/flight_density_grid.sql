-- description: Airborne traffic by cell of one degree, over all cleaned rows within the retention;
--   cells with more than 5 rows.
-- grain: lat_grid, lon_grid
-- kind: incremental
-- refresh: incremental
-- publish: 2% of the time, at least every 5m
-- columns:
--   lat_grid: southern edge of the cell in degrees
--   lon_grid: western edge of the cell in degrees
--   flight_count: cleaned rows in the air
--   unique_aircraft: different icao24 addresses in the air
--   avg_altitude: mean barometric altitude in metres, nulls left out
-- audits:
--   block range(lat_grid, -90, 90)
--   block range(lon_grid, -180, 180)
--   block sql more_than_five: select * from flight_density_grid where flight_count <= 5
--   block sql aircraft_within_rows:
--       select * from flight_density_grid where unique_aircraft not between 1 and flight_count

-- @state
-- A cell is numbered (lat_grid + 90) * 361 + lon_grid + 180.
create table if not exists cell_day (
    day date not null,
    cell integer not null,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
);
-- Who was in a cell on a day, and how many different ones ever were. What is new of the day
-- waits in a table of its own until the mart is published next: only then is all of history
-- asked whether the aircraft had been there before.
create table if not exists cell_aircraft (
    day date not null,
    cell integer not null,
    aircraft uinteger not null,
);
create table if not exists cell_aircraft_waiting (
    day date not null,
    cell integer not null,
    aircraft uinteger not null,
);
create table if not exists cells (
    cell integer not null,
    unique_aircraft bigint not null,
);

-- @merge
merge into cell_day as known
using (
    with occupied as (
        select * from new_cell_days
    )
    select
        day,
        cell,
        sum(observations)::bigint as observations,
        sum(altitude_sum) as altitude_sum,
        sum(altitude_count)::bigint as altitude_count,
    from occupied
    group by all
) as fresh
on known.day = fresh.day
    and known.cell = fresh.cell
    and known.day between getvariable('first_day') and getvariable('last_day')
when matched then update set
    observations = known.observations + fresh.observations,
    altitude_sum = known.altitude_sum + fresh.altitude_sum,
    altitude_count = known.altitude_count + fresh.altitude_count
when not matched then insert by name;

insert into cell_aircraft_waiting
with occupied as (
    select day, cell, aircraft from new_cell_days
),
settled as (
    select *
    from cell_aircraft
    where day between getvariable('first_day') and getvariable('last_day')
),
waiting as (
    select * from cell_aircraft_waiting
)
select day, cell, aircraft
from occupied
anti join waiting using (day, cell, aircraft)
anti join settled using (day, cell, aircraft);

-- @forget
delete from cell_day
where day between getvariable('forget_from') and getvariable('forget_to');

delete from cell_aircraft_waiting
where day between getvariable('forget_from') and getvariable('forget_to');

create or replace temp table forgotten_cell_aircraft as
select distinct cell, aircraft
from cell_aircraft
where day between getvariable('forget_from') and getvariable('forget_to');

delete from cell_aircraft
where day between getvariable('forget_from') and getvariable('forget_to');

-- Who was in a cell on no other day was one of its aircraft, and is it no more.
update cells
set unique_aircraft = unique_aircraft - left_aircraft.aircraft
from (
    select cell, count(*) as aircraft
    from forgotten_cell_aircraft
    anti join cell_aircraft using (cell, aircraft)
    group by cell
) as left_aircraft
where cells.cell = left_aircraft.cell;

drop table forgotten_cell_aircraft;

-- @settle
merge into cells as known
using (
    with arrived as (
        select distinct cell, aircraft from cell_aircraft_waiting
    ),
    before as (
        select cell, aircraft from cell_aircraft
    )
    select cell, count(*) as unique_aircraft
    from arrived
    anti join before using (cell, aircraft)
    group by cell
) as fresh
on known.cell = fresh.cell
when matched then update set unique_aircraft = known.unique_aircraft + fresh.unique_aircraft
when not matched then insert by name;

insert into cell_aircraft
select day, cell, aircraft from cell_aircraft_waiting;

delete from cell_aircraft_waiting;

-- @select
with days as (
    select * from cell_day
),
cells as (
    select * from cells
),
totals as (
    select
        cell,
        sum(observations)::bigint as flight_count,
        sum(altitude_sum) / nullif(sum(altitude_count), 0) as avg_altitude,
    from days
    group by cell
    having sum(observations) > 5
)
select
    (totals.cell // 361 - 90)::double as lat_grid,
    (totals.cell % 361 - 180)::double as lon_grid,
    totals.flight_count,
    cells.unique_aircraft,
    totals.avg_altitude,
from totals
join cells using (cell)
order by lat_grid, lon_grid
