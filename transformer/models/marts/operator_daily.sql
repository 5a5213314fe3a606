-- description: Activity by day and operator, over all cleaned rows within the retention. The operator
--   is the ICAO designator that an airline's callsigns begin with: three letters before a digit, as
--   DLH in DLH4AB. Rows with another callsign, such as a registration, or without one, have none.
-- grain: fetch_date, operator?
-- kind: incremental
-- refresh: incremental
-- publish: 1% of the time, at least every 5m
-- columns:
--   fetch_date: day of the polls, UTC
--   operator: ICAO designator of three letters, null for rows without one
--   total_observations: cleaned rows
--   unique_aircraft: different icao24 addresses on that day
--   unique_callsigns: different callsigns on that day, which mostly are flight numbers
--   avg_altitude: mean barometric altitude in metres, nulls left out
--   avg_velocity: mean speed over ground in metres per second, nulls left out
--   first_seen: time of the operator's first poll of the day
--   last_seen: time of the operator's last poll of the day
--   ground_count: rows on the ground
--   airborne_count: rows in the air; a row that says neither counts in neither
-- audits:
--   block sql counts_add_up:
--       select * from operator_daily where ground_count + airborne_count > total_observations
--   block sql aircraft_within_rows:
--       select * from operator_daily where unique_aircraft not between 1 and total_observations

-- @parts
with changed as (
    select utc_date(snapshot_time) as day, last_batch
    from polls
    where last_batch > getvariable('published_batch')
    union all
    select day, batch
    from left_days
    where batch > getvariable('published_batch')
)
select day::varchar as part, max(last_batch) as last_batch
from changed
group by day

-- @select
with days as (
    select * from aircraft_day where day = getvariable('part')::date
    union all by name
    select * from aircraft_day_waiting where day = getvariable('part')::date
),
operators as (
    select
        *,
        case when regexp_matches(callsign, '^[A-Z]{3}[0-9]') then left(callsign, 3) end as operator,
    from days
)
select
    day as fetch_date,
    operator,
    sum(observations)::bigint as total_observations,
    count(distinct aircraft) as unique_aircraft,
    count(distinct callsign) as unique_callsigns,
    sum(altitude_sum) / nullif(sum(altitude_count), 0) as avg_altitude,
    sum(velocity_sum) / nullif(sum(velocity_count), 0) as avg_velocity,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(ground)::bigint as ground_count,
    sum(airborne)::bigint as airborne_count,
from operators
group by all
order by fetch_date, operator
