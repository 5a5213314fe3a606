-- title = "Aircraft in the busiest hour"
-- description = "Different aircraft in the hour with most of them, of the days chosen or the last 30."
-- display = "scalar"
--
-- [columns]
-- aircraft = "Aircraft"
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

select max(hours.unique_aircraft) as aircraft
from hours
cross join last_day
where
    hours.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
    and hours.fetch_date <= last_day.fetch_date
