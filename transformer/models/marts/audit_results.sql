-- description: What the audits of the marts found: each result that differs from the one before it, and
--   one a day of what holds, one an hour of what does not; within transformer.keep_runs.
-- grain: mart, audit, checked_at
-- kind: incremental
-- refresh: affected keys
-- columns:
--   run_id: the run whose generation was looked at; null for the age of what is published
--   mart: the mart
--   audit: the audit, as its header line or its file calls it
--   severity: warn, or block when a failure keeps the generation from readers
--   status: passed or failed
--   value: what was measured, wrong rows, seconds of age or percent of the usual
--   threshold: the most that is well; of a volume, the percent it may be off
--   query: a query that shows what was found
--   checked_at: when it was looked at

-- @state
-- Filled for each publication with the results of the days that the mart lacks.
create or replace temp table recorded_audits (
    run_id varchar,
    mart varchar not null,
    audit varchar not null,
    severity varchar not null,
    status varchar not null,
    value double not null,
    threshold double not null,
    query varchar not null,
    checked_at timestamptz not null,
);

-- @parts
select distinct utc_date(checked_at)::varchar as part
from recorded_audits

-- @select
with results as (
    select * from recorded_audits where utc_date(checked_at) = getvariable('part')::date
)
select
    run_id,
    mart,
    audit,
    severity,
    status,
    value,
    threshold,
    query,
    checked_at,
from results
order by checked_at, mart, audit
