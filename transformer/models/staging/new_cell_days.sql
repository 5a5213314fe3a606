-- description: Cleaned rows of the batch in the air, by day, cell of one degree and aircraft.
-- grain: day, cell, aircraft
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   day: date, UTC
--   cell: number of the cell, (lat_grid + 90) * 361 + lon_grid + 180
--   aircraft: the icao24 address as a number, or the one that other_aircraft gives it
--   observations: rows
--   altitude_sum: sum of the barometric altitudes in metres
--   altitude_count: rows with one

-- @state
create or replace temp table new_cell_days (
    day date not null,
    cell integer not null,
    aircraft uinteger not null,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
);
