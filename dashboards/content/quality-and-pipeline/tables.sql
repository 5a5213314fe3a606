-- title = "Tables"
-- description = "How fresh each table is. A table that did not change is not written again; the largest ones are written every few minutes and stay behind the newest poll until then. A click on a table shows its audits only."
-- display = "table"
--
-- [columns]
-- mart = "Table"
-- as_of = "Counted up to (UTC)"
-- behind_seconds = "Behind the newest poll (s)"
-- refreshed_at = "Last written (UTC)"
-- age_seconds = "Time since (s)"
-- duration = "Took (s)"
-- table_rows = "Rows"
-- generation = "Generation"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["behind_seconds"], type = "single", operator = ">", value = 600, color = "#F9D45C", highlight_row = false }]
-- column_settings = { duration = { decimals = 3 }, table_rows = { show_mini_bar = true } }

with newest as (
    select max(as_of) as as_of
    from mart_status
)

select
    mart_status.mart,
    mart_status.as_of,
    cast(extract(epoch from newest.as_of - mart_status.as_of) as bigint) as behind_seconds,
    mart_status.refreshed_at,
    cast(floor(extract(epoch from now() - mart_status.refreshed_at)) as bigint) as age_seconds,
    mart_status.duration,
    mart_status.rows as table_rows,
    mart_status.generation
from mart_status
cross join newest
order by behind_seconds desc, mart_status.mart
