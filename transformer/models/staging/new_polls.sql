-- description: Measures of the batch's polls, over all of their rows that count, cleaned or not.
-- grain: snapshot_time
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states, countries
-- columns:
--   snapshot_time: the poll's own time
--   aircraft_total: rows
--   aircraft_with_position: rows with latitude and longitude
--   dq_ok: rows that pass every quality flag
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   velocity_sum: sum of the speeds over ground in metres per second
--   velocity_count: rows with one
--   velocity_max: the highest, null when there is none
--   countries: the countries of registration, a bit for each by country_ids, from the right

-- @state
create or replace temp table new_polls (
    snapshot_time timestamptz not null,
    aircraft_total bigint not null,
    aircraft_with_position bigint not null,
    dq_ok bigint not null,
    on_ground bigint not null,
    airborne bigint not null,
    velocity_sum double not null,
    velocity_count bigint not null,
    velocity_max double,
    countries bit not null,
);
