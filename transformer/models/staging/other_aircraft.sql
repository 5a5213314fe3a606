-- description: Numbers of the aircraft whose address is not six lower-case hexadecimal digits. The
--   others are their own number.
-- grain: icao24
-- kind: native
-- refresh: incremental
-- daily: other_aircraft
-- source: aviation.flight_states
-- columns:
--   icao24: the address as it was sent
--   aircraft: its number, from 16777216

-- @state
create table if not exists other_aircraft (
    icao24 varchar not null,
    aircraft uinteger not null,
);
