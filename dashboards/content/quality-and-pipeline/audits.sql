-- title = "Audits"
-- description = "The latest result of each audit of the tables, those that fail first. The value is what was measured: wrong rows, seconds of age, or percent of the usual. The query shows the rows that were found."
-- display = "table"
--
-- [columns]
-- status = "Status"
-- severity = "Severity"
-- mart = "Table"
-- audit = "Audit"
-- value = "Value"
-- threshold = "Threshold"
-- checked_at = "Checked (UTC)"
-- query = "Query"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["status"], type = "single", operator = "=", value = "failed", color = "#EF8C8C", highlight_row = true }]
--
-- [parameters.mart]
-- title = "Table"
-- type = "text"
-- values = "quality-and-pipeline/tables.mart"

with results as (
    select
        status,
        severity,
        mart,
        audit,
        value,
        threshold,
        checked_at,
        query,
        row_number() over (partition by mart, audit order by checked_at desc) as newest
    from audit_results
)

select
    status,
    severity,
    mart,
    audit,
    value,
    threshold,
    checked_at,
    query
from results
where
    newest = 1
    [[and mart = {{mart}}]]
order by case when status = 'failed' then 0 else 1 end, severity, mart, audit
