-- title = "Aircraft over time, whole sky"
-- description = "Means of the polls, up to 300 steps over the hours chosen, which end with the newest poll. In the air and on the ground count aircraft without a position too. The filters for country and region do not apply. Where polls are missing the line runs straight on."
-- display = "line"
--
-- [columns]
-- polled_at = "Time (UTC)"
-- with_position = "With a position"
-- airborne = "In the air"
-- on_ground = "On the ground"
--
-- [settings]
-- "graph.dimensions" = ["polled_at"]
-- "graph.metrics" = ["with_position", "airborne", "on_ground"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Aircraft"
-- column_settings = { with_position = { decimals = 0 }, airborne = { decimals = 0 }, on_ground = { decimals = 0 } }
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

with polls as (
    select
        snapshot_time,
        aircraft_with_position,
        airborne,
        on_ground
    from kpi_history
    where
        snapshot_time
        > (select max(snapshot_time) from kpi_history) - {{hours}} * interval '1 hour'
),

steps (seconds) as (
    values (1), (10), (60), (300), (900), (3600), (10800), (43200)
),

step as (
    select coalesce(min(seconds), 86400) as seconds
    from steps
    where
        seconds * 300 >= (
            select extract(epoch from max(snapshot_time) - min(snapshot_time))
            from polls
        )
)

select
    to_timestamp(
        floor(extract(epoch from polls.snapshot_time) / step.seconds) * step.seconds
    ) as polled_at,
    avg(polls.aircraft_with_position) as with_position,
    avg(polls.airborne) as airborne,
    avg(polls.on_ground) as on_ground
from polls
cross join step
group by polled_at
order by polled_at
