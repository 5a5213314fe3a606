-- title = "Density of traffic, all polls"
-- description = "Different aircraft seen in the air over each cell of 1° in all polls that are kept; cells with more than five observations. The 2,000 busiest cells, since Metabase draws no more. After the first polls no cell has that many yet: then it is the last 24 hours, with at least so many aircraft. Filters for country and region do not apply."
-- display = "map"
--
-- [columns]
-- lat_grid = "Southern edge (°)"
-- lon_grid = "Western edge (°)"
-- unique_aircraft = "Aircraft"
-- flight_count = "Observations in the air"
--
-- [settings]
-- "map.type" = "grid"
-- "map.pin_type" = "grid"
-- "map.latitude_column" = "lat_grid"
-- "map.longitude_column" = "lon_grid"
-- "map.metric_column" = "unique_aircraft"

with kept as (
    select
        lat_grid,
        lon_grid,
        unique_aircraft,
        flight_count
    from flight_density_grid
),

-- Its cells are finer, and an aircraft may be in several of them.
recent as (
    select
        floor(lat_grid) as lat_grid,
        floor(lon_grid) as lon_grid,
        max(unique_aircraft) as unique_aircraft,
        cast(sum(flight_count) as bigint) as flight_count
    from flight_density_recent
    where
        window_hours = 24
        and not exists (select 1 from kept)
    group by floor(lat_grid), floor(lon_grid)
),

cells as (
    select * from kept
    union all
    select * from recent
)

select
    -- Latitude and longitude come first: Metabase takes the size of the cells from there.
    lat_grid,
    lon_grid,
    unique_aircraft,
    flight_count
from cells
order by unique_aircraft desc, flight_count desc, lat_grid, lon_grid
limit 2000
