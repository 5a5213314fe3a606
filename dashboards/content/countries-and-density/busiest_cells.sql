-- title = "Busiest cells of the last 24 hours"
-- description = "The 25 cells over which most different aircraft were seen in the air in the 24 hours up to the newest poll. A cell is half a degree wide and high, unless transformer.density_cell_degrees says otherwise. The filters do not apply."
-- display = "table"
--
-- [columns]
-- lat_grid = "Southern edge (°)"
-- lon_grid = "Western edge (°)"
-- unique_aircraft = "Aircraft"
-- flight_count = "Observations in the air"
-- avg_altitude = "Mean barometric altitude (m)"
--
-- [settings]
-- "table.row_index" = true
-- column_settings = { unique_aircraft = { show_mini_bar = true }, avg_altitude = { decimals = 0 } }

select
    lat_grid,
    lon_grid,
    unique_aircraft,
    flight_count,
    avg_altitude
from flight_density_recent
where window_hours = 24
order by unique_aircraft desc, flight_count desc, lat_grid, lon_grid
limit 25
