-- title = "Runs by status"
-- description = "Runs of the transformer by status, up to 100 steps over the hours chosen, which end with the newest run. Only runs that have ended are here."
-- display = "bar"
--
-- [columns]
-- started_at = "Time (UTC)"
-- status = "Status"
-- runs = "Runs"
--
-- [settings]
-- "graph.dimensions" = ["started_at", "status"]
-- "graph.metrics" = ["runs"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "stackable.stack_type" = "stacked"
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

with runs as (
    select
        started,
        status
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
    runs.status,
    count(*) as runs
from runs
cross join step
group by started_at, runs.status
order by started_at, runs.status
