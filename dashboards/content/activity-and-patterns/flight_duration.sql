-- title = "How long flights last"
-- description = "Flights first seen on the days chosen or the last 30 that have ended, by duration, in bins of 30 minutes; the last bin has all of 12 hours and more. Those seen from end to end are whole; of the others only a part was seen, so that they are longer than they look."
-- display = "bar"
--
-- [columns]
-- bin_from = "Duration from (min)"
-- whole = "Seen from end to end"
-- partly = "Seen in part"
--
-- [settings]
-- "graph.dimensions" = ["bin_from"]
-- "graph.metrics" = ["whole", "partly"]
-- "graph.x_axis.scale" = "ordinal"
-- "graph.x_axis.title_text" = "Duration, from (min)"
-- "graph.y_axis.title_text" = "Flights"
-- "stackable.stack_type" = "stacked"
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

ended as (
    select
        case
            when callsign ~ '^[A-Z]{3}[0-9].*' then left(callsign, 3)
            else '(none)'
        end as operator,
        cast(first_seen at time zone 'UTC' as date) as fetch_date,
        least(floor(duration_minutes / 30) * 30, 720) as bin_from,
        takeoff_seen and landing_seen as whole
    from flights
    where not is_open
),

chosen as (
    select
        ended.bin_from,
        ended.whole
    from ended
    cross join last_day
    where
        ended.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 29)
        and ended.fetch_date <= last_day.fetch_date
        [[and ended.operator = {{operator}}]]
),

bins (bin_from) as (
    select * from generate_series(0, 720, 30)
)

select
    bins.bin_from,
    count(chosen.whole) filter (where chosen.whole) as whole,
    count(chosen.whole) filter (where not chosen.whole) as partly
from bins
left join chosen on bins.bin_from = chosen.bin_from
group by bins.bin_from
order by bins.bin_from
