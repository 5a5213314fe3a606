-- title = "How long runs take (s)"
-- description = "Mean and longest run from start to end, with its publication, up to 100 steps over the hours chosen."
-- display = "line"
--
-- [columns]
-- started_at = "Time (UTC)"
-- mean_seconds = "Mean (s)"
-- max_seconds = "Longest (s)"
--
-- [settings]
-- "graph.dimensions" = ["started_at"]
-- "graph.metrics" = ["mean_seconds", "max_seconds"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Seconds"
-- column_settings = { mean_seconds = { decimals = 2 }, max_seconds = { decimals = 2 } }
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

with runs as (
    select
        started,
        extract(epoch from finished - started) as seconds
    from pipeline_runs
    where started > (select max(started) from pipeline_runs) - {{hours}} * interval '1 hour'
),

steps (seconds) as (
    values (10), (60), (300), (900), (3600), (10800), (43200)
),

step as (
    select coalesce(min(seconds), 86400) as seconds
    from steps
    where
        seconds * 100 >= (
            select extract(epoch from max(started) - min(started))
            from runs
        )
)

select
    to_timestamp(
        floor(extract(epoch from runs.started) / step.seconds) * step.seconds
    ) as started_at,
    avg(runs.seconds) as mean_seconds,
    max(runs.seconds) as max_seconds
from runs
cross join step
group by started_at
order by started_at
