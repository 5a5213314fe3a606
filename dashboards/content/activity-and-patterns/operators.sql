-- title = "Operators"
-- description = "The 50 operators with most aircraft a day, by the ICAO designator that callsigns begin with, of the days chosen or the last 30. Means are over those of these days that have any data; a day without the operator counts as 0. Flights under a registration or without a callsign are (none). A click on an operator shows its flights only."
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

with last_day as (
    select
        least(
            [[cast({{to_day}} as date),]]
            max(cast(fetch_hour at time zone 'UTC' as date))
        ) as fetch_date
    from hourly_activity
),

shown as (
    select
        coalesce(operator_daily.operator, '(none)') as operator,
        operator_daily.fetch_date,
        operator_daily.unique_aircraft,
        operator_daily.unique_callsigns,
        operator_daily.airborne_count,
        operator_daily.total_observations,
        operator_daily.last_seen
    from operator_daily
    cross join last_day
    where
        operator_daily.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
        and operator_daily.fetch_date <= last_day.fetch_date
),

-- An operator that is not seen on one of these days has no row for it, and none of its aircraft flew.
observed as (
    select count(distinct fetch_date) as days
    from shown
)

select
    shown.operator,
    1.0 * sum(shown.unique_aircraft) / observed.days as aircraft,
    1.0 * sum(shown.unique_callsigns) / observed.days as callsigns,
    1.0 * sum(shown.airborne_count)
    / nullif(sum(shown.total_observations), 0) as airborne_share,
    count(*) as days,
    max(shown.last_seen) as last_seen
from shown
cross join observed
group by shown.operator, observed.days
order by aircraft desc, shown.operator
limit 50
