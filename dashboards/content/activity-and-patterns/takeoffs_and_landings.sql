-- title = "Take-offs and landings by hour"
-- description = "Take-offs and landings that were seen in each hour, UTC, of the days chosen or the last 30. Many more happen where no receiver sees the ground."
-- display = "bar"
--
-- [columns]
-- fetch_hour = "Hour (UTC)"
-- takeoffs = "Take-offs"
-- landings = "Landings"
--
-- [settings]
-- "graph.dimensions" = ["fetch_hour"]
-- "graph.metrics" = ["takeoffs", "landings"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Flights"
--
-- [parameters.operator]
-- title = "Operator (ICAO designator)"
-- type = "text"
-- values = "models/operator_daily.operator"
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
        cast(fetch_hour at time zone 'UTC' as date) as fetch_date
    from hourly_activity
),

last_day as (
    select
        least(
            [[cast({{to_day}} as date),]]
            max(cast(fetch_hour at time zone 'UTC' as date))
        ) as fetch_date
    from hourly_activity
),

flights_by_operator as (
    select
        case
            when callsign ~ '^[A-Z]{3}[0-9].*' then left(callsign, 3)
            else '(none)'
        end as operator,
        takeoff_time,
        landing_time
    from flights
),

chosen as (
    select
        takeoff_time,
        landing_time
    from flights_by_operator
    where
        true
        [[and operator = {{operator}}]]
),

takeoffs as (
    select
        date_trunc('hour', takeoff_time) as fetch_hour,
        count(*) as takeoffs
    from chosen
    where takeoff_time is not null
    group by date_trunc('hour', takeoff_time)
),

landings as (
    select
        date_trunc('hour', landing_time) as fetch_hour,
        count(*) as landings
    from chosen
    where landing_time is not null
    group by date_trunc('hour', landing_time)
)

select
    hours.fetch_hour,
    coalesce(takeoffs.takeoffs, 0) as takeoffs,
    coalesce(landings.landings, 0) as landings
from hours
cross join last_day
left join takeoffs on hours.fetch_hour = takeoffs.fetch_hour
left join landings on hours.fetch_hour = landings.fetch_hour
where
    hours.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
    and hours.fetch_date <= last_day.fetch_date
order by hours.fetch_hour
