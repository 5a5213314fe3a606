-- description: Cleaned rows of the batch in the air, by five minutes, fine cell and aircraft; only
--   those of the 25 hours before the newest poll.
-- grain: slot, lat_grid, lon_grid, aircraft
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   slot: start of the five minutes, UTC
--   lat_grid: southern edge of the cell in degrees; its size is transformer.density_cell_degrees
--   lon_grid: western edge of the cell in degrees
--   aircraft: the icao24 address as a number, or the one that other_aircraft gives it
--   observations: rows
--   altitude_sum: sum of the barometric altitudes in metres
--   altitude_count: rows with one

-- @state
create temp table if not exists new_cell_slots (
    slot timestamptz not null,
    lat_grid double not null,
    lon_grid double not null,
    aircraft uinteger not null,
    observations bigint not null,
    altitude_sum double not null,
    altitude_count bigint not null,
);
