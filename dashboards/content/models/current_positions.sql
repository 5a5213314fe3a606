-- title = "Current positions"
-- description = "Aircraft of the newest poll that have a position, one row each. Speed and altitude are as the transponder sent them; altitude is barometric unless it says otherwise. The country is that of registration, not the operator's."
-- display = "table"
-- model = true
--
-- [columns]
-- icao24 = "ICAO 24-bit address"
-- callsign = "Callsign"
-- country = "Country of registration"
-- origin_region = "Region of registration"
-- position_region = "Region it is in"
-- latitude = "Latitude (°)"
-- longitude = "Longitude (°)"
-- baro_altitude = "Barometric altitude (m)"
-- geo_altitude = "Geometric altitude (m)"
-- velocity = "Speed over ground (m/s)"
-- true_track = "Track (° from north)"
-- vertical_rate = "Vertical rate (m/s)"
-- on_ground = "On the ground"
-- squawk = "Squawk"
-- category = "Category (0 to 20)"
-- dq_ok = "Passes the quality flags"
-- last_contact = "Last contact (UTC)"
-- snapshot_time = "Poll (UTC)"

select
    icao24,
    callsign,
    coalesce(nullif(origin_country, ''), '(none)') as country,
    origin_region,
    position_region,
    latitude,
    longitude,
    baro_altitude,
    geo_altitude,
    velocity,
    true_track,
    vertical_rate,
    on_ground,
    squawk,
    category,
    dq_ok,
    last_contact,
    snapshot_time
from current_positions
order by icao24
