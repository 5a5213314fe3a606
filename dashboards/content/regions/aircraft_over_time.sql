-- title = "Aircraft by region over time"
-- description = "Aircraft by region of registration: means of the polls, up to 300 steps over the hours chosen, which end with the newest poll."
-- display = "line"
--
-- [columns]
-- polled_at = "Time (UTC)"
-- region = "Region of registration"
-- aircraft = "Aircraft"
--
-- [settings]
-- "graph.dimensions" = ["polled_at", "region"]
-- "graph.metrics" = ["aircraft"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Aircraft"
-- column_settings = { aircraft = { decimals = 0 } }
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
        aircraft_total
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
    avg(polls.aircraft_total) as aircraft
from polls
cross join step
group by polled_at, polls.region
order by polled_at, polls.region
