-- description: Rows of the newest poll that count, of this batch and of those before it.
-- grain: icao24
-- kind: native
-- refresh: incremental
-- home: memory
-- source: aviation.flight_states
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: callsign, null when none was sent
--   origin_country: country of registration as OpenSky spells it
--   time_position: time of the last position report
--   last_contact: time of the last message
--   longitude: degrees, east positive
--   latitude: degrees, north positive
--   baro_altitude: barometric altitude in metres
--   on_ground: the position came from a surface report
--   velocity: speed over ground in metres per second
--   true_track: degrees clockwise from north
--   vertical_rate: metres per second, climbing positive
--   geo_altitude: geometric altitude in metres
--   squawk: transponder code with leading zeros
--   spi: special purpose indicator
--   position_source: 0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM
--   category: aircraft category, 0 to 20
--   snapshot_time: the poll's own time

-- @state
create or replace temp table new_latest_states (
    icao24 varchar not null,
    callsign varchar,
    origin_country varchar,
    time_position timestamptz,
    last_contact timestamptz,
    longitude double,
    latitude double,
    baro_altitude double,
    on_ground boolean,
    velocity double,
    true_track double,
    vertical_rate double,
    geo_altitude double,
    squawk varchar,
    spi boolean,
    position_source integer,
    category integer,
    snapshot_time timestamptz not null,
);
