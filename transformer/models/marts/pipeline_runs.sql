-- description: What the transformer did: each refresh with its publication, from the journal beside the
--   log files, within transformer.keep_runs. A run is seen here once it has ended.
-- grain: run_id
-- kind: incremental
-- refresh: affected keys
-- columns:
--   run_id: id of the run; its log file is RUN_ID.log in the folder transformer.logs
--   kind: what started it, one of continuous, cron, once, refresh, rebuild, backfill
--   started: when it began
--   finished: when it ended; null when its process ended before it
--   status: succeeded, blocked (by an audit), failed or interrupted (the process ended before the run)
--   polls: polls that it saw first
--   rows_in: rows of the lake that it read
--   rows_out: rows of marts that it wrote; what did not change is not written
--   snapshot_id: the lake's snapshot that it read
--   generation: the generation that it published, null when it published none
--   error: why it did not succeed
-- audits:
--   warn sql times_in_order: select * from pipeline_runs where started > finished

-- @state
-- Filled for each publication with the runs of the days that the mart lacks.
create or replace temp table recorded_runs (
    run_id varchar not null,
    kind varchar not null,
    started timestamptz not null,
    finished timestamptz,
    status varchar not null,
    polls bigint not null,
    rows_in bigint not null,
    rows_out bigint not null,
    snapshot_id bigint,
    generation bigint,
    error varchar,
);

-- @parts
select distinct utc_date(started)::varchar as part
from recorded_runs

-- @select
with runs as (
    select * from recorded_runs where utc_date(started) = getvariable('part')::date
)
select
    run_id,
    kind,
    started,
    finished,
    status,
    polls,
    rows_in,
    rows_out,
    snapshot_id,
    generation,
    error,
from runs
order by run_id
