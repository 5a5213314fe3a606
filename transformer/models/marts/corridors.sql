-- description: Who flies where in the newest poll: aircraft by country of registration and region of
--   the position. Only aircraft with a position count, so that the rows add up to those of
--   current_positions.
-- grain: origin_country?, position_region
-- kind: full
-- refresh: full
-- columns:
--   origin_country: country of registration as OpenSky spells it, null when none was sent
--   position_region: EU, US_CA, ASIA or Other, by where the aircraft is
--   origin_region: EU, US_CA, ASIA or Other, by country of registration
--   snapshot_time: the poll's own time
--   aircraft: aircraft of the country in the region
--   airborne: those of them in the air; a row that says neither is not among them
-- audits:
--   block sql counts_add_up: select * from corridors where airborne > aircraft

-- @select
with states as (
    select * from int_latest_states where dq_has_position
),
counted as (
    select
        origin_country,
        position_region,
        origin_region,
        max(snapshot_time) as snapshot_time,
        count(*) as aircraft,
        count(*) filter (where not on_ground) as airborne,
    from states
    group by all
)
select
    origin_country,
    position_region,
    origin_region,
    snapshot_time,
    aircraft,
    airborne,
from counted
order by aircraft desc, origin_country, position_region
