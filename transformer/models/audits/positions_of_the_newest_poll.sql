-- description: current_positions has a row for each aircraft that the newest poll gives a position for.
-- mart: kpi_latest
-- severity: warn

with poll as (
    select snapshot_time, aircraft_with_position from kpi_latest
),
positions as (
    select snapshot_time, count(*) as aircraft from current_positions group by snapshot_time
)
select
    poll.snapshot_time,
    poll.aircraft_with_position,
    coalesce(positions.aircraft, 0) as aircraft_in_current_positions,
from poll
left join positions using (snapshot_time)
where poll.aircraft_with_position <> coalesce(positions.aircraft, 0)
