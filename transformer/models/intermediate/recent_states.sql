-- description: Who was seen in the most recent polls, to recognise repeats and to count countries
--   of polls that arrive in parts. Older polls are looked up in the lake when rows of them arrive.
-- grain: snapshot_time, aircraft
-- kind: incremental
-- depends:

-- @state
create table if not exists recent_states (
    snapshot_time timestamptz not null,
    aircraft uinteger not null,
    origin_country varchar,
);
create table if not exists recent_polls (
    snapshot_time timestamptz not null,
    batch bigint not null,
);
