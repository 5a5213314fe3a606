-- title = "Share of rows that fail, by rule"
-- description = "By the hour, or by longer steps when more than 200 hours are chosen. A rule that nothing fails lies on the line of zero."
-- display = "line"
--
-- [columns]
-- checked_at = "Time (UTC)"
-- rule = "Rule"
-- failed_share = "Share failed"
--
-- [settings]
-- "graph.dimensions" = ["checked_at", "rule"]
-- "graph.metrics" = ["failed_share"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- column_settings = { failed_share = { number_style = "percent", decimals = 2 } }
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24
--
-- [parameters.rule]
-- title = "Rule"
-- type = "text"
-- values = "models/data_quality.rule"

with checks as (
    select
        fetch_hour,
        rule,
        checked,
        failed
    from data_quality
    where
        fetch_hour > (select max(fetch_hour) from data_quality) - {{hours}} * interval '1 hour'
        [[and rule = {{rule}}]]
),

steps (seconds) as (
    values (3600), (10800), (21600), (43200), (86400), (604800)
),

-- Nine rules in 200 steps are what Metabase draws of a chart.
step as (
    select coalesce(min(seconds), 2419200) as seconds
    from steps
    where
        seconds * 200 >= (
            select extract(epoch from max(fetch_hour) - min(fetch_hour))
            from checks
        )
)

select
    to_timestamp(
        floor(extract(epoch from checks.fetch_hour) / step.seconds) * step.seconds
    ) as checked_at,
    checks.rule,
    1.0 * sum(checks.failed) / nullif(sum(checks.checked), 0) as failed_share
from checks
cross join step
group by checked_at, checks.rule
order by checked_at, checks.rule
