-- title = "Aircraft by hour of day and weekday (UTC)"
-- description = "Different aircraft in an hour, the mean over all such hours of the days chosen or the last 30. An empty cell is an hour that was not observed. Hours in which few polls were made show fewer aircraft."
-- display = "table"
--
-- [columns]
-- hour = "Hour (UTC)"
-- monday = "Monday"
-- tuesday = "Tuesday"
-- wednesday = "Wednesday"
-- thursday = "Thursday"
-- friday = "Friday"
-- saturday = "Saturday"
-- sunday = "Sunday"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], type = "range", colors = ["#FFFFFF", "#509EE3"], min_type = "all", max_type = "all" }]
-- column_settings = { monday = { decimals = 0 }, tuesday = { decimals = 0 }, wednesday = { decimals = 0 }, thursday = { decimals = 0 }, friday = { decimals = 0 }, saturday = { decimals = 0 }, sunday = { decimals = 0 } }
--
-- [parameters.from_day]
-- title = "From day (UTC)"
-- type = "date"
--
-- [parameters.to_day]
-- title = "To day (UTC)"
-- type = "date"

with observed as (
    select
        cast(fetch_hour at time zone 'UTC' as date) as fetch_date,
        extract(hour from fetch_hour at time zone 'UTC') as hour,
        extract(isodow from fetch_hour at time zone 'UTC') as weekday,
        unique_aircraft as aircraft
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

shown as (
    select
        observed.hour,
        observed.weekday,
        observed.aircraft
    from observed
    cross join last_day
    where
        observed.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
        and observed.fetch_date <= last_day.fetch_date
),

hours (hour) as (
    select * from generate_series(0, 23)
)

select
    hours.hour,
    avg(shown.aircraft) filter (where shown.weekday = 1) as monday,
    avg(shown.aircraft) filter (where shown.weekday = 2) as tuesday,
    avg(shown.aircraft) filter (where shown.weekday = 3) as wednesday,
    avg(shown.aircraft) filter (where shown.weekday = 4) as thursday,
    avg(shown.aircraft) filter (where shown.weekday = 5) as friday,
    avg(shown.aircraft) filter (where shown.weekday = 6) as saturday,
    avg(shown.aircraft) filter (where shown.weekday = 7) as sunday
from hours
left join shown on hours.hour = shown.hour
group by hours.hour
order by hours.hour
