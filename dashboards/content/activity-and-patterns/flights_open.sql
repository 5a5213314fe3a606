-- title = "Under way now"
-- description = "Flights that have neither landed nor been silent for 20 minutes as of the newest poll. The filters for days do not apply."
-- display = "scalar"
--
-- [columns]
-- flights = "Flights under way"
--
-- [parameters.operator]
-- title = "Operator (ICAO designator)"
-- type = "text"
-- values = "models/operator_daily.operator"

with flights_by_operator as (
    select
        case
            when callsign ~ '^[A-Z]{3}[0-9].*' then left(callsign, 3)
            else '(none)'
        end as operator,
        is_open
    from flights
)

select count(*) as flights
from flights_by_operator
where
    is_open
    [[and operator = {{operator}}]]
