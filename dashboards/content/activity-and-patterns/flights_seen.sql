-- title = "Flights seen"
-- description = "Flights derived from the tracks of aircraft, whole or in part, by the day they were first seen."
-- display = "scalar"
--
-- [columns]
-- flights = "Flights"
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

with flights_by_operator as (
    select
        cast(first_seen at time zone 'UTC' as date) as fetch_date,
        case
            when callsign ~ '^[A-Z]{3}[0-9].*' then left(callsign, 3)
            else '(none)'
        end as operator
    from flights
)

select count(*) as flights
from flights_by_operator
where
    true
    [[and operator = {{operator}}]]
    [[and fetch_date >= cast({{from_day}} as date)]]
    [[and fetch_date <= cast({{to_day}} as date)]]
