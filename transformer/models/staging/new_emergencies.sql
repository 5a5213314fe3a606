-- description: Rows of the batch with a squawk that calls for help: 7500, 7600 or 7700; cleaned or not.
-- grain: icao24, snapshot_time
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: callsign, null when none was sent
--   squawk: 7500 hijacking, 7600 radio failure, 7700 general emergency
--   snapshot_time: the poll's own time
--   latitude: degrees, north positive
--   longitude: degrees, east positive
--   baro_altitude: barometric altitude in metres

-- @state
create or replace temp table new_emergencies (
    icao24 varchar not null,
    callsign varchar,
    squawk varchar not null,
    snapshot_time timestamptz not null,
    latitude double,
    longitude double,
    baro_altitude double,
);
