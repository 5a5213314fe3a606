-- title = "Latest runs"
-- description = "The latest 50 runs of the transformer. The log of a run is the file RUN_ID.log in its folder of logs."
-- display = "table"
--
-- [columns]
-- started = "Started (UTC)"
-- status = "Status"
-- kind = "Kind"
-- seconds = "Took (s)"
-- polls = "New polls"
-- rows_in = "Rows read"
-- rows_out = "Rows written"
-- generation = "Generation"
-- error = "Error"
-- run_id = "Run"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["status"], type = "single", operator = "!=", value = "succeeded", color = "#EF8C8C", highlight_row = true }]
-- column_settings = { seconds = { decimals = 2 } }

select
    started,
    status,
    kind,
    extract(epoch from finished - started) as seconds,
    polls,
    rows_in,
    rows_out,
    generation,
    error,
    run_id
from pipeline_runs
order by started desc, run_id
limit 50
