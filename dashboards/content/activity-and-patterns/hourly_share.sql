-- title = "In the air and on the ground by hour"
-- description = "Shares of the observations of each hour, UTC; an observation is one aircraft in one poll. Of the days chosen or the last 30. At airports without a receiver near by, aircraft on the ground are not seen."
-- display = "area"
--
-- [columns]
-- fetch_hour = "Hour (UTC)"
-- airborne = "Observations in the air"
-- on_ground = "Observations on the ground"
--
-- [settings]
-- "graph.dimensions" = ["fetch_hour"]
-- "graph.metrics" = ["airborne", "on_ground"]
-- "stackable.stack_type" = "normalized"
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Share of observations"
--
-- [parameters.from_day]
-- title = "From day (UTC)"
-- type = "date"
--
-- [parameters.to_day]
-- title = "To day (UTC)"
-- type = "date"

with hours as (
    select
        fetch_hour,
        cast(fetch_hour at time zone 'UTC' as date) as fetch_date,
        airborne_count as airborne,
        ground_count as on_ground
    from hourly_activity
),

last_day as (
    select
        least(
            [[cast({{to_day}} as date),]]
            max(cast(fetch_hour at time zone 'UTC' as date))
        ) as fetch_date
    from hourly_activity
)

select
    hours.fetch_hour,
    hours.airborne,
    hours.on_ground
from hours
cross join last_day
where
    hours.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
    and hours.fetch_date <= last_day.fetch_date
order by hours.fetch_hour
