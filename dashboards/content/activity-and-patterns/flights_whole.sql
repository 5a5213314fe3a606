-- title = "Seen from end to end"
-- description = "Those of them, over the same days, whose take-off and landing were both seen. Of the others an end was out of the receivers' reach, before the first poll, or has not come yet."
-- display = "scalar"
--
-- [columns]
-- flights = "Flights seen from end to end"
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

with last_day as (
    select
        least(
            [[cast({{to_day}} as date),]]
            max(cast(fetch_hour at time zone 'UTC' as date))
        ) as fetch_date
    from hourly_activity
),

flights_by_operator as (
    select
        cast(first_seen at time zone 'UTC' as date) as fetch_date,
        case
            when callsign ~ '^[A-Z]{3}[0-9].*' then left(callsign, 3)
            else '(none)'
        end as operator,
        takeoff_seen and landing_seen as whole
    from flights
)

select count(*) as flights
from flights_by_operator
cross join last_day
where
    flights_by_operator.whole
    and flights_by_operator.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
    and flights_by_operator.fetch_date <= last_day.fetch_date
    [[and flights_by_operator.operator = {{operator}}]]
