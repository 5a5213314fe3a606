-- description: Aircraft of the newest poll that have a position.
-- grain: icao24
-- kind: full
-- refresh: full
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: callsign, null when none was sent
--   origin_country: country of registration as OpenSky spells it
--   latitude: degrees, north positive
--   longitude: degrees, east positive
--   baro_altitude: barometric altitude in metres
--   geo_altitude: geometric altitude in metres
--   velocity: speed over ground in metres per second
--   true_track: degrees clockwise from north
--   vertical_rate: metres per second, climbing positive
--   on_ground: the position came from a surface report
--   squawk: transponder code with leading zeros
--   category: aircraft category, 0 to 20
--   last_contact: time of the last message
--   snapshot_time: the poll's own time
--   dq_ok: the row passes every quality flag
--   origin_region: region of the country of registration
--   position_region: region of the position
-- audits:
--   warn range(latitude, -90, 90)
--   warn range(longitude, -180, 180)
--   block sql one_poll:
--       select * from current_positions
--       where snapshot_time <> (select max(snapshot_time) from current_positions)

-- @select
with states as (
    select * from int_latest_states where dq_has_position
)
select
    states.icao24,
    states.callsign,
    states.origin_country,
    states.latitude,
    states.longitude,
    states.baro_altitude,
    states.geo_altitude,
    states.velocity,
    states.true_track,
    states.vertical_rate,
    states.on_ground,
    states.squawk,
    states.category::bigint as category,
    states.last_contact,
    states.snapshot_time,
    states.dq_ok,
    states.origin_region,
    states.position_region,
from states
order by states.icao24
