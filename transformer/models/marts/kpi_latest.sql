-- description: Measures of the newest poll.
-- grain: one row
-- kind: full
-- refresh: full
-- columns:
--   snapshot_time: the poll's own time
--   run_id: the refresh that first saw the poll
--   aircraft_total: rows of the poll
--   aircraft_with_position: rows with latitude and longitude
--   dq_ok: rows that pass every quality flag
--   dq_ok_rate: their share, 0 to 1
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   avg_velocity_ms: mean speed over ground in metres per second, nulls left out
--   max_velocity_ms: highest speed over ground in metres per second
--   countries: different countries of registration
--   top_origin_countries: the five countries with most rows, as JSON text
-- audits:
--   block range(dq_ok_rate, 0, 1)
--   block reference(snapshot_time, kpi_history.snapshot_time)
--   block sql counts_add_up: select * from kpi_latest where on_ground + airborne > aircraft_total
--   warn range(dq_ok_rate, 0.5, 1)
--   warn freshness(10m)
--   warn volume(50)

-- @select
with polls as (
    select * from polls order by snapshot_time desc limit 1
),
states as (
    select * from int_latest_states
),
ranked as (
    select origin_country, count(*) as aircraft
    from states
    where origin_country is not null
    group by origin_country
    order by aircraft desc, origin_country
    limit 5
),
top as (
    select
        to_json(
            coalesce(
                list(
                    {'origin_country': origin_country, 'aircraft': aircraft}
                    order by aircraft desc, origin_country
                ),
                []
            )
        )::varchar as top_origin_countries,
    from ranked
)
select
    polls.snapshot_time,
    polls.run_id,
    polls.aircraft_total,
    polls.aircraft_with_position,
    polls.dq_ok,
    polls.dq_ok / polls.aircraft_total as dq_ok_rate,
    polls.on_ground,
    polls.airborne,
    polls.velocity_sum / nullif(polls.velocity_count, 0) as avg_velocity_ms,
    polls.velocity_max as max_velocity_ms,
    bit_count(polls.countries) as countries,
    top.top_origin_countries,
from polls
cross join top
