-- title = "Density of traffic now"
-- description = "Aircraft in the air over each cell of 1°, at a time, on the mean of the polls of the last hour, or of the last 24 when the window is more than 1. The 2,000 busiest cells, since Metabase draws no more. Filters for country and region do not apply."
-- display = "map"
--
-- [columns]
-- lat_grid = "Southern edge (°)"
-- lon_grid = "Western edge (°)"
-- mean_aircraft = "Aircraft at a time (mean)"
-- observations = "Observations in the air"
--
-- [settings]
-- "map.type" = "grid"
-- "map.pin_type" = "grid"
-- "map.latitude_column" = "lat_grid"
-- "map.longitude_column" = "lon_grid"
-- "map.metric_column" = "mean_aircraft"
-- column_settings = { mean_aircraft = { decimals = 2 } }
--
-- [parameters.window_hours]
-- title = "Density window (hours: 1 or 24)"
-- type = "number"
-- default = 1

with cells as (
    -- Metabase takes the size of a cell from the values of the first two columns: the largest power
    -- of ten that divides them all. Whole degrees give cells of 1°; the half degrees of the mart
    -- would give cells of 0.1°.
    select
        floor(lat_grid) as lat_grid,
        floor(lon_grid) as lon_grid,
        cast(sum(flight_count) as bigint) as observations,
        min(window_from) as window_from,
        max(window_to) as window_to
    from flight_density_recent
    where window_hours = case when {{window_hours}} <= 1 then 1 else 24 end
    group by floor(lat_grid), floor(lon_grid)
),

polls as (
    select count(*) as polls
    from kpi_history
    where
        snapshot_time >= (select min(window_from) from cells)
        and snapshot_time <= (select max(window_to) from cells)
)

select
    cells.lat_grid,
    cells.lon_grid,
    1.0 * cells.observations / nullif(polls.polls, 0) as mean_aircraft,
    cells.observations
from cells
cross join polls
order by cells.observations desc, cells.lat_grid, cells.lon_grid
limit 2000
