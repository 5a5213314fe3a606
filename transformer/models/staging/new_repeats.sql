-- description: Rows of the batch that had been counted; the same may stand here several times.
-- grain: icao24, snapshot_time
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   icao24: ICAO 24-bit address
--   snapshot_time: the poll's own time

-- @state
create or replace temp table new_repeats (
    icao24 varchar not null,
    snapshot_time timestamptz not null,
);
