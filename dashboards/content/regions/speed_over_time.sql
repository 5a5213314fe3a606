-- title = "Mean speed in the air by region (m/s)"
-- description = "Mean speed over ground of the aircraft in the air, by region of registration: means of the polls, up to 300 steps over the hours chosen. It is higher where more long flights are under way."
-- display = "line"
--
-- [columns]
-- polled_at = "Time (UTC)"
-- region = "Region of registration"
-- velocity = "Mean speed in the air (m/s)"
--
-- [settings]
-- "graph.dimensions" = ["polled_at", "region"]
-- "graph.metrics" = ["velocity"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.unpin_from_zero" = true
-- column_settings = { velocity = { decimals = 1 } }
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

with polls as (
    select
        snapshot_time,
        region,
        avg_velocity_ms_in_air
    from region_kpi_history
    where
        snapshot_time
        > (select max(snapshot_time) from region_kpi_history) - {{hours}} * interval '1 hour'
        [[and region = {{region}}]]
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
    polls.region,
    avg(polls.avg_velocity_ms_in_air) as velocity
from polls
cross join step
group by polled_at, polls.region
order by polled_at, polls.region
