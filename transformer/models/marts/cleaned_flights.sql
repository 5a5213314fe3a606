-- description: Cleaned rows of the window, read from the lake's data files: position present and in
--   range, each (icao24, snapshot_time) once.
-- grain: icao24, snapshot_time
-- kind: view
-- refresh: full
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
--   sensors: identifiers of the contributing receivers, as text
--   geo_altitude: geometric altitude in metres
--   squawk: transponder code with leading zeros
--   spi: special purpose indicator
--   position_source: 0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM
--   category: aircraft category, 0 to 20
--   snapshot_time: the poll's own time
--   ingestion_time: when the producer received the body
--   source: live, replay or simulator
--   fetch_timestamp: seconds since 1970 of snapshot_time
--   fetch_datetime: the same as snapshot_time
--   fetch_hour: its hour, UTC
--   fetch_date: its date, UTC
--   altitude_category: Ground, or Low, Medium, High at 10,000 and 30,000 feet; null without altitude
--   speed_category: Slow, Medium, Fast at 100 and 400 knots; null without velocity
--   origin_region: region of the country of registration
--   position_region: region of the position
--   dq_has_position: latitude and longitude are present
--   dq_position_ok: they are in range
--   dq_velocity_ok: velocity is absent, or 0 to 400 m/s
--   dq_ok: all three

-- @select
with states as not materialized (
    select * from lake.flight_states
),
repeated as not materialized (
    select * from lake.repeated_states
),
countries as (
    select * from countries
),
sent_once as (
    select * from states anti join repeated using (icao24, snapshot_time)
),
first_of_several as (
    select *
    from states
    semi join repeated using (icao24, snapshot_time)
    -- The one that arrived first, as the other marts count it.
    qualify row_number() over (
        partition by icao24, snapshot_time
        order by ingestion_time nulls last, data_file, row_in_file
    ) = 1
),
each_once as (
    select * from sent_once
    union all
    select * from first_of_several
),
cleaned as (
    select * from each_once where latitude between -90 and 90 and longitude between -180 and 180
)
select
    cleaned.* exclude (data_file, row_in_file)
    replace (
        sensors::varchar as sensors,
        position_source::bigint as position_source,
        category::bigint as category
    ),
    epoch_us(cleaned.snapshot_time) // 1000000 as fetch_timestamp,
    cleaned.snapshot_time as fetch_datetime,
    utc_hour(cleaned.snapshot_time) as fetch_hour,
    utc_date(cleaned.snapshot_time) as fetch_date,
    case
        when cleaned.on_ground then 'Ground'
        when cleaned.baro_altitude < 10000 * 0.3048 then 'Low'
        when cleaned.baro_altitude < 30000 * 0.3048 then 'Medium'
        when cleaned.baro_altitude is not null then 'High'
    end as altitude_category,
    case
        when cleaned.velocity < 100 * 1852 / 3600.0 then 'Slow'
        when cleaned.velocity < 400 * 1852 / 3600.0 then 'Medium'
        when cleaned.velocity is not null then 'Fast'
    end as speed_category,
    coalesce(countries.region, 'Other') as origin_region,
    position_region(cleaned.latitude, cleaned.longitude) as position_region,
    true as dq_has_position,
    true as dq_position_ok,
    coalesce(cleaned.velocity between 0 and 400, true) as dq_velocity_ok,
    coalesce(cleaned.velocity between 0 and 400, true) as dq_ok,
from cleaned
left join countries on cleaned.origin_country = countries.origin_country
