-- title = "Regions now"
-- description = "Aircraft of the newest poll by region of registration, with a position or not. A click on a region shows it alone on this dashboard."
-- display = "table"
--
-- [columns]
-- region = "Region of registration"
-- aircraft_total = "Aircraft"
-- aircraft_share = "Share of all"
-- airborne = "In the air"
-- on_ground = "On the ground"
-- avg_velocity_ms_in_air = "Mean speed in the air (m/s)"
-- dq_ok_rate = "Share that passes the quality flags"
--
-- [settings]
-- column_settings = { aircraft_total = { show_mini_bar = true }, aircraft_share = { number_style = "percent", decimals = 1 }, avg_velocity_ms_in_air = { decimals = 0 }, dq_ok_rate = { number_style = "percent", decimals = 1 } }

with regions (region, place) as (
    values ('EU', 1), ('US_CA', 2), ('ASIA', 3), ('Other', 4)
)

select
    regions.region,
    coalesce(region_kpis.aircraft_total, 0) as aircraft_total,
    coalesce(region_kpis.aircraft_share, 0) as aircraft_share,
    coalesce(region_kpis.airborne, 0) as airborne,
    coalesce(region_kpis.on_ground, 0) as on_ground,
    region_kpis.avg_velocity_ms_in_air,
    region_kpis.dq_ok_rate
from regions
left join region_kpis on regions.region = region_kpis.region
order by regions.place
