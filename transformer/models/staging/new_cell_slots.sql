-- description: Cleaned rows of the batch in the air, by five minutes, fine cell and aircraft; only
--   those of the 25 hours before the newest poll. Of a large batch a group may come in several rows.
-- grain: slot, cell, aircraft
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   slot: number of the five minutes since 1970, UTC
--   cell: number of the cell, (lat_grid / size + 4096) * 8192 + lon_grid / size + 4096, whose size
--     is transformer.density_cell_degrees
--   aircraft: the icao24 address as a number, or the one that other_aircraft gives it
--   observations: rows
--   altitude_sum: sum of the barometric altitudes in metres
--   altitude_count: rows with one

-- @state
create or replace temp table new_cell_slots (
    slot integer not null,
    cell integer not null,
    aircraft uinteger not null,
    observations integer not null,
    altitude_sum double not null,
    altitude_count integer not null,
);
