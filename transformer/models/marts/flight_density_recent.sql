-- description: Where the traffic was in the hour and in the day that end with the newest poll, by cell
--   of transformer.density_cell_degrees; cleaned rows in the air. Rows are kept by slots of five
--   minutes, and a window begins with the slot its first moment lies in: it is up to five minutes
--   longer than its name says, and begins at window_from.
-- grain: window_hours, lat_grid, lon_grid
-- kind: incremental
-- refresh: incremental
-- publish: 2% of the time, at least every 5m
-- columns:
--   window_hours: 1 or 24
--   lat_grid: southern edge of the cell in degrees; cells are counted from the equator
--   lon_grid: western edge of the cell in degrees; cells are counted from the prime meridian
--   flight_count: cleaned rows in the air
--   unique_aircraft: different icao24 addresses in the air
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   window_from: start of the window
--   window_to: its end, the time of the newest poll
-- audits:
--   block range(lat_grid, -100, 90)
--   block range(lon_grid, -190, 180)
--   block sql aircraft_within_rows:
--       select * from flight_density_recent where unique_aircraft not between 1 and flight_count

-- @state
-- What came since the mart was published last.
create table if not exists cell_slots_waiting (
    slot integer not null,
    cell integer not null,
    aircraft uinteger not null,
    observations integer not null,
    altitude_sum double not null,
    altitude_count integer not null,
);
create table if not exists cell_slots (
    slot integer not null,
    cell integer not null,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
);
create table if not exists cell_slot_aircraft (
    slot integer not null,
    cell integer not null,
    aircraft uinteger not null,
);

-- @merge
insert into cell_slots_waiting by name
select * from new_cell_slots;

-- @forget
delete from cell_slots_waiting
where slot >= epoch(getvariable('forget_from_time')) // 300
    and slot < epoch(getvariable('forget_before_time')) // 300;

delete from cell_slots
where slot >= epoch(getvariable('forget_from_time')) // 300
    and slot < epoch(getvariable('forget_before_time')) // 300;

delete from cell_slot_aircraft
where slot >= epoch(getvariable('forget_from_time')) // 300
    and slot < epoch(getvariable('forget_before_time')) // 300;

-- @settle
set variable first_slot = (
    select (epoch_us(max(snapshot_time)) // 300000000 - 288)::integer from int_latest_states
);

set variable first_waiting_slot = (select min(slot) from cell_slots_waiting);

delete from cell_slots where slot < getvariable('first_slot');

delete from cell_slot_aircraft where slot < getvariable('first_slot');

merge into cell_slots as known
using (
    select
        slot,
        cell,
        sum(observations)::bigint as observations,
        sum(altitude_sum) as altitude_sum,
        sum(altitude_count)::bigint as altitude_count,
    from cell_slots_waiting
    where slot >= getvariable('first_slot')
    group by slot, cell
    order by slot
) as fresh
on known.slot = fresh.slot
    and known.cell = fresh.cell
    and known.slot >= getvariable('first_waiting_slot')
when matched then update set
    observations = known.observations + fresh.observations,
    altitude_sum = known.altitude_sum + fresh.altitude_sum,
    altitude_count = known.altitude_count + fresh.altitude_count
when not matched then insert by name;

insert into cell_slot_aircraft
with arrived as (
    select distinct slot, cell, aircraft
    from cell_slots_waiting
    where slot >= getvariable('first_slot')
),
known as (
    select * from cell_slot_aircraft where slot >= getvariable('first_waiting_slot')
)
select slot, cell, aircraft
from arrived
anti join known using (slot, cell, aircraft)
order by slot;

delete from cell_slots_waiting;

-- @select
with slots as (
    select * from cell_slots
),
slot_aircraft as (
    select * from cell_slot_aircraft
),
newest as (
    select
        max(snapshot_time) as window_to,
        (epoch_us(max(snapshot_time)) // 300000000)::integer as last_slot,
    from int_latest_states
),
starts as (
    select
        last_slot - 288 as day_from,
        last_slot - 12 as hour_from,
    from newest
),
measured as (
    select
        slots.cell,
        sum(slots.observations)::bigint as day_count,
        sum(slots.altitude_sum) / nullif(sum(slots.altitude_count), 0) as day_altitude,
        sum(slots.observations) filter (where slot >= hour_from)::bigint as hour_count,
        sum(slots.altitude_sum) filter (where slot >= hour_from)
            / nullif(sum(slots.altitude_count) filter (where slot >= hour_from), 0) as hour_altitude,
    from slots, starts
    where slot >= day_from
    group by slots.cell
),
-- Both windows end with the newest poll, so when an aircraft was in a cell last decides for both.
last_seen as (
    select slot_aircraft.cell, slot_aircraft.aircraft, max(slot_aircraft.slot) as slot
    from slot_aircraft, starts
    where slot >= day_from
    group by slot_aircraft.cell, slot_aircraft.aircraft
),
aircraft as (
    select
        last_seen.cell,
        count(*) as day_aircraft,
        count(*) filter (where slot >= hour_from) as hour_aircraft,
    from last_seen, starts
    group by last_seen.cell
),
windows as (
    select
        names.window_hours,
        to_timestamp((newest.last_slot - names.window_hours * 12) * 300) as window_from,
        newest.window_to,
    from newest, (values (1::bigint), (24::bigint)) as names (window_hours)
)
select
    windows.window_hours,
    round((measured.cell // 8192 - 4096) * getvariable('cell_degrees'), 6) as lat_grid,
    round((measured.cell % 8192 - 4096) * getvariable('cell_degrees'), 6) as lon_grid,
    case window_hours when 1 then hour_count else day_count end as flight_count,
    case window_hours when 1 then hour_aircraft else day_aircraft end as unique_aircraft,
    case window_hours when 1 then hour_altitude else day_altitude end as avg_altitude,
    windows.window_from,
    windows.window_to,
from measured
join aircraft using (cell)
join windows on windows.window_hours = 24 or measured.hour_count is not null
order by windows.window_hours, lat_grid, lon_grid
