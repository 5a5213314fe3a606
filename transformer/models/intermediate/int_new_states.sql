-- description: Rows of the batch that count: each (icao24, snapshot_time) once, whatever was sent twice.
-- grain: icao24, snapshot_time
-- kind: view
-- depends: stg_flight_states, recent_states

-- @state
-- What came more than once, so that readers of the data files can leave the repeats out.
create table if not exists repeated_states (
    icao24 varchar not null,
    snapshot_time timestamptz not null,
);

-- @merge
create or replace temp table repeats as
with states as (
    select rowid as row_id, aircraft, snapshot_time, ingestion_time from stg_flight_states
),
counted as (
    select distinct aircraft, snapshot_time
    from recent_states
    where snapshot_time in (select snapshot_time from stg_flight_states)
),
several as (
    select aircraft, snapshot_time from states group by all having count(*) > 1
),
within_batch as (
    select states.row_id
    from states
    semi join several using (aircraft, snapshot_time)
    qualify row_number() over (
        partition by states.aircraft, states.snapshot_time
        order by states.ingestion_time, states.row_id
    ) > 1
),
counted_before as (
    select states.row_id from states semi join counted using (aircraft, snapshot_time)
)
select row_id from within_batch
union
select row_id from counted_before;

insert into repeated_states
with states as (
    select icao24, snapshot_time from stg_flight_states where rowid in (select row_id from repeats)
)
select distinct icao24, snapshot_time
from states
anti join repeated_states using (icao24, snapshot_time);

delete from stg_flight_states where rowid in (select row_id from repeats);

-- @select
select * from stg_flight_states
