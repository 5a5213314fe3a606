-- description: New rows with a position in range: what the streaming marts count.
-- grain: icao24, snapshot_time
-- kind: view
-- depends: int_new_states

-- @select
with states as (
    select * from int_new_states
)
select *
from states
where dq_has_position and dq_position_ok
