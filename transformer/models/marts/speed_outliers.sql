-- description: The 25 fastest aircraft in the air in the newest poll, with a plausible speed or not:
--   what is beyond 400 m/s is mostly an error of the transponder. Of equally fast ones those with
--   the lower address.
-- grain: icao24
-- kind: full
-- refresh: full
-- columns:
--   icao24: ICAO 24-bit address
--   rank: 1 is the fastest
--   callsign: callsign, null when none was sent
--   origin_country: country of registration as OpenSky spells it
--   region: EU, US_CA, ASIA or Other, by country of registration
--   velocity: speed over ground in metres per second
--   dq_velocity_ok: the speed is 0 to 400 m/s
--   latitude: degrees, north positive; null without a position
--   longitude: degrees, east positive; null without a position
--   baro_altitude: barometric altitude in metres
--   true_track: degrees clockwise from north
--   last_contact: time of the last message
--   snapshot_time: the poll's own time
-- audits:
--   block range(rank, 1, 25)

-- @select
with states as (
    select *
    from int_latest_states
    where not on_ground and velocity is not null
    order by velocity desc, icao24
    limit 25
)
select
    states.icao24,
    row_number() over (order by states.velocity desc, states.icao24) as rank,
    states.callsign,
    states.origin_country,
    states.origin_region as region,
    states.velocity,
    states.dq_velocity_ok,
    states.latitude,
    states.longitude,
    states.baro_altitude,
    states.true_track,
    states.last_contact,
    states.snapshot_time,
from states
order by rank
