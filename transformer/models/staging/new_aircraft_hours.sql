-- description: Cleaned rows of the batch by hour, aircraft and callsign.
-- grain: hour, aircraft, callsign?, origin_country?
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   hour: start of the hour, UTC
--   aircraft: the icao24 address as a number, or the one that other_aircraft gives it
--   callsign: callsign, null when none was sent
--   origin_country: country of registration as OpenSky spells it
--   observations: rows
--   altitude_sum: sum of the barometric altitudes in metres
--   altitude_count: rows with one
--   altitude_max: the highest, null when there is none
--   velocity_sum: sum of the speeds over ground in metres per second
--   velocity_count: rows with one
--   velocity_max: the highest, null when there is none
--   first_seen: time of the first poll
--   last_seen: time of the last poll
--   ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither

-- @state
create or replace temp table new_aircraft_hours (
    hour timestamptz not null,
    aircraft uinteger not null,
    callsign varchar,
    origin_country varchar,
    observations bigint not null,
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
);
