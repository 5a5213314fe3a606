-- description: All rows of the newest poll, with quality flags and regions.
-- grain: icao24
-- kind: table
-- refresh: incremental
-- home: memory

-- @select
with states as (
    select * from new_latest_states
),
countries as (
    select * from countries
),
flagged as (
    select
        *,
        latitude is not null and longitude is not null as dq_has_position,
        coalesce(latitude between -90 and 90 and longitude between -180 and 180, false) as dq_position_ok,
        coalesce(velocity between 0 and 400, true) as dq_velocity_ok,
    from states
)
select
    flagged.*,
    flagged.dq_has_position and flagged.dq_position_ok and flagged.dq_velocity_ok as dq_ok,
    coalesce(countries.region, 'Other') as origin_region,
    case
        when flagged.dq_has_position then position_region(flagged.latitude, flagged.longitude)
    end as position_region,
from flagged
left join countries using (origin_country)
