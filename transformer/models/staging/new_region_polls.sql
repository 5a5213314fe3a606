-- description: Measures of the batch's polls by region of registration, over all of their rows that
--   count, cleaned or not.
-- grain: snapshot_time, region
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states, countries
-- columns:
--   snapshot_time: the poll's own time
--   region: region of the country of registration; Other for one without a region, and for none
--   aircraft_total: rows
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   dq_ok: rows that pass every quality flag
--   velocity_sum: sum of the speeds over ground in metres per second
--   velocity_count: rows with one
--   velocity_sum_in_air: the same of rows in the air
--   velocity_count_in_air: rows in the air with a speed

-- @state
create or replace temp table new_region_polls (
    snapshot_time timestamptz not null,
    region varchar not null,
    aircraft_total bigint not null,
    on_ground bigint not null,
    airborne bigint not null,
    dq_ok bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    velocity_sum_in_air double not null,
    velocity_count_in_air bigint not null,
);
