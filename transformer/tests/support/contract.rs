//! What readers rely on: names and columns of the marts, which queries that were written for other
//! pipelines use too. A mart may have more columns, never fewer or others.

/// A mart and the columns it must have.
pub const MARTS: &[(&str, &str)] = &[
    (
        "cleaned_flights",
        "icao24 callsign origin_country time_position last_contact longitude latitude
        baro_altitude on_ground velocity true_track vertical_rate sensors geo_altitude squawk spi
        position_source category snapshot_time ingestion_time source fetch_timestamp
        fetch_datetime fetch_hour fetch_date altitude_category speed_category origin_region
        position_region dq_has_position dq_position_ok dq_velocity_ok dq_ok",
    ),
    (
        "country_stats",
        "origin_country total_observations unique_aircraft avg_altitude avg_velocity first_seen
        last_seen ground_count airborne_count iso_a2 region",
    ),
    (
        "hourly_activity",
        "fetch_hour total_flights unique_aircraft avg_altitude avg_velocity ground_count
        airborne_count",
    ),
    (
        "aircraft_stats",
        "icao24 callsign origin_country total_observations avg_altitude max_altitude avg_velocity
        max_velocity first_seen last_seen ground_observations airborne_observations",
    ),
    (
        "flight_density_grid",
        "lat_grid lon_grid flight_count unique_aircraft avg_altitude",
    ),
    (
        "country_daily",
        "fetch_date origin_country total_observations unique_aircraft avg_altitude avg_velocity",
    ),
    (
        "flight_density_recent",
        "window_hours lat_grid lon_grid flight_count unique_aircraft avg_altitude",
    ),
    (
        "kpi_history",
        "snapshot_time run_id aircraft_total aircraft_with_position dq_ok dq_ok_rate on_ground
        airborne avg_velocity_ms max_velocity_ms countries",
    ),
    (
        "kpi_latest",
        "snapshot_time run_id aircraft_total aircraft_with_position dq_ok dq_ok_rate on_ground
        airborne avg_velocity_ms max_velocity_ms countries top_origin_countries",
    ),
    (
        "region_kpis",
        "region aircraft_total on_ground dq_ok_rate avg_velocity_ms avg_velocity_ms_in_air",
    ),
    (
        "region_kpi_history",
        "snapshot_time region aircraft_total on_ground dq_ok_rate avg_velocity_ms
        avg_velocity_ms_in_air",
    ),
    ("corridors", "origin_country position_region aircraft"),
    (
        "speed_outliers",
        "icao24 callsign origin_country region velocity latitude longitude",
    ),
    ("velocity_distribution", "bin_from bin_to aircraft"),
    ("velocity_percentiles", "p50 p90 p99"),
    (
        "current_positions",
        "icao24 callsign origin_country latitude longitude baro_altitude velocity true_track
        vertical_rate on_ground squawk category last_contact dq_ok origin_region position_region",
    ),
    ("data_quality", "fetch_hour rule checked failed ok_rate"),
    (
        "emergencies",
        "icao24 callsign squawk from_time to_time positions",
    ),
    (
        "flights",
        "icao24 callsign origin_country first_seen last_seen takeoff_time landing_time
        takeoff_seen landing_seen first_latitude first_longitude last_latitude last_longitude
        max_altitude distance_m duration_minutes observations is_open",
    ),
    (
        "mart_status",
        "mart generation rows as_of refreshed_at duration",
    ),
];

/// The types that every reader shows, Metabase among them.
pub const TYPES: [&str; 6] = [
    "BIGINT",
    "DOUBLE",
    "VARCHAR",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP WITH TIME ZONE",
];
