-- description: Measures of the newest poll by region of registration, over all of its rows, cleaned
--   or not. A region without a row in the poll is left out.
-- grain: region
-- kind: full
-- refresh: full
-- columns:
--   region: EU, US_CA, ASIA or Other, by country of registration
--   snapshot_time: the poll's own time
--   aircraft_total: rows of the poll
--   aircraft_share: their share of the poll, 0 to 1
--   on_ground: rows on the ground
--   airborne: rows in the air; a row that says neither counts in neither
--   dq_ok: rows that pass every quality flag
--   dq_ok_rate: their share, 0 to 1
--   avg_velocity_ms: mean speed over ground in metres per second, nulls left out
--   avg_velocity_ms_in_air: the same over rows in the air only
-- audits:
--   block range(dq_ok_rate, 0, 1)
--   block range(aircraft_share, 0, 1)
--   block sql counts_add_up: select * from region_kpis where on_ground + airborne > aircraft_total

-- @select
with states as (
    select * from int_latest_states
)
select
    origin_region as region,
    max(snapshot_time) as snapshot_time,
    count(*) as aircraft_total,
    count(*) / sum(count(*)) over () as aircraft_share,
    count(*) filter (where on_ground) as on_ground,
    count(*) filter (where not on_ground) as airborne,
    count(*) filter (where dq_ok) as dq_ok,
    count(*) filter (where dq_ok) / count(*) as dq_ok_rate,
    avg(velocity) as avg_velocity_ms,
    avg(velocity) filter (where not on_ground) as avg_velocity_ms_in_air,
from states
group by origin_region
order by region
