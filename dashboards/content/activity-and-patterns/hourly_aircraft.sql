-- title = "Aircraft by hour"
-- description = "Different aircraft with a position in each hour, UTC, of the days chosen or the last 30. The newest hour is not over yet; over hours without a poll the line runs straight on."
-- display = "line"
--
-- [columns]
-- fetch_hour = "Hour (UTC)"
-- unique_aircraft = "Aircraft"
--
-- [settings]
-- "graph.dimensions" = ["fetch_hour"]
-- "graph.metrics" = ["unique_aircraft"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
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
        unique_aircraft
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
    hours.unique_aircraft
from hours
cross join last_day
where
    hours.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
    and hours.fetch_date <= last_day.fetch_date
order by hours.fetch_hour
