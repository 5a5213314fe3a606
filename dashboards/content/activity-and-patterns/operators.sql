-- title = "Operators"
-- description = "The 50 operators with most aircraft a day, by the ICAO designator that callsigns begin with, means over the last 30 days unless days are chosen. Flights under a registration or without a callsign are (none). A click on an operator shows its flights only."
-- display = "table"
--
-- [columns]
-- operator = "Operator (ICAO designator)"
-- aircraft = "Aircraft a day (mean)"
-- callsigns = "Callsigns a day (mean)"
-- airborne_share = "Share of observations in the air"
-- days = "Days seen"
-- last_seen = "Last seen (UTC)"
--
-- [settings]
-- "table.row_index" = true
-- column_settings = { aircraft = { decimals = 0, show_mini_bar = true }, callsigns = { decimals = 0 }, airborne_share = { number_style = "percent", decimals = 0 } }
--
-- [parameters.from_day]
-- title = "From day (UTC)"
-- type = "date"
--
-- [parameters.to_day]
-- title = "To day (UTC)"
-- type = "date"

with newest as (
    select max(fetch_date) as fetch_date
    from operator_daily
)

select
    coalesce(operator_daily.operator, '(none)') as operator,
    avg(operator_daily.unique_aircraft) as aircraft,
    avg(operator_daily.unique_callsigns) as callsigns,
    1.0 * sum(operator_daily.airborne_count)
    / nullif(sum(operator_daily.total_observations), 0) as airborne_share,
    count(*) as days,
    max(operator_daily.last_seen) as last_seen
from operator_daily
cross join newest
where
    operator_daily.fetch_date >= coalesce([[cast({{from_day}} as date),]] newest.fetch_date - 29)
    [[and operator_daily.fetch_date <= cast({{to_day}} as date)]]
group by coalesce(operator_daily.operator, '(none)')
order by aircraft desc, operator
limit 50
