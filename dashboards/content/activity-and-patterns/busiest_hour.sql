-- title = "Aircraft in the busiest hour"
-- description = "Different aircraft in the hour with most of them, of the last 30 days unless days are chosen."
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

newest as (
    select max(fetch_date) as fetch_date
    from hours
)

select max(hours.unique_aircraft) as aircraft
from hours
cross join newest
where
    hours.fetch_date >= coalesce([[cast({{from_day}} as date),]] newest.fetch_date - 29)
    [[and hours.fetch_date <= cast({{to_day}} as date)]]
