-- description: Aircraft that sent 7500, 7600 or 7700, one row an episode. An episode is a run of rows
--   of one aircraft with one of these codes in which no two follow each other by more than ten
--   minutes: it ends when the aircraft sends something else or is silent, and an aircraft that is
--   back at the code within ten minutes is still in the same one. All rows count, cleaned or not.
-- grain: icao24, squawk, from_time
-- kind: incremental
-- refresh: incremental
-- publish: 2% of the time, at least every 1m
-- columns:
--   icao24: ICAO 24-bit address
--   callsign: the last callsign of the episode, null when none was sent
--   squawk: 7500, 7600 or 7700
--   meaning: Unlawful interference, Radio failure or General emergency
--   from_time: time of the first poll with the code
--   to_time: time of the last poll with the code
--   ended: the newest poll is more than ten minutes later, or has the aircraft with another code
--   duration_minutes: minutes between the two
--   observations: rows of the episode, with a position or not
--   positions: its positions in the order of time, as JSON text; time is in seconds since 1970
--   first_latitude: degrees, north positive, of the first position; null when there was none
--   first_longitude: degrees, east positive, of the first position
--   last_latitude: degrees, north positive, of the last position
--   last_longitude: degrees, east positive, of the last position
--   min_altitude: lowest barometric altitude in metres
--   max_altitude: highest barometric altitude in metres
-- audits:
--   block sql times_in_order: select * from emergencies where from_time > to_time
--   block sql known_codes:
--       select * from emergencies where squawk not in ('7500', '7600', '7700')

-- @state
-- In 64 parts by the last two digits of the address, so that a part is small whatever was kept, and an
-- episode is whole in one.
create table if not exists emergency_states (
    part integer not null,
    icao24 varchar not null,
    callsign varchar,
    squawk varchar not null,
    snapshot_time timestamptz not null,
    latitude double,
    longitude double,
    baro_altitude double,
    last_batch bigint not null,
);
-- Parts of which rows were forgotten, so that they are published again without them.
create table if not exists left_emergencies (
    part integer not null,
    batch bigint not null,
);

-- @merge
insert into emergency_states by name
select
    *,
    (
        16 * strpos('0123456789abcdef', icao24[-2])
        + strpos('0123456789abcdef', icao24[-1])
    ) % 64 as part,
    getvariable('batch')::bigint as last_batch,
from new_emergencies;

-- @forget
insert into left_emergencies
select distinct part, getvariable('batch')::bigint
from emergency_states
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');

delete from left_emergencies
where batch < (
    select max(newer.batch) from left_emergencies as newer where newer.part = left_emergencies.part
);

delete from emergency_states
where snapshot_time >= getvariable('forget_from_time')
    and snapshot_time < getvariable('forget_before_time');

-- @parts
with polls as (
    select snapshot_time, last_batch from polls
),
aircraft as (
    select
        part,
        max(last_batch) as batch,
        max(snapshot_time) + interval 10 minutes as silent_until,
    from emergency_states
    group by part, icao24, squawk
),
changes as (
    select part, batch from aircraft
    union all
    -- An episode ends with the first poll after the silence; until then each may end it.
    select
        aircraft.part,
        coalesce(polls.last_batch, (select max(newest.last_batch) from polls as newest)) as batch,
    from aircraft
    asof left join polls on aircraft.silent_until < polls.snapshot_time
    union all
    select part, batch from left_emergencies
)
select part::varchar as part, max(batch) as batch
from changes
group by changes.part

-- @select
with states as (
    select * from emergency_states where part = getvariable('part')::integer
),
latest as (
    select icao24, squawk, snapshot_time from int_latest_states
),
newest as (
    select max(snapshot_time) as snapshot_time from latest
),
steps as (
    select
        *,
        coalesce(
            epoch_us(snapshot_time) - epoch_us(lag(snapshot_time) over run) > 600000000,
            true
        ) as begins,
        latitude between -90 and 90 and longitude between -180 and 180 as located,
    from states
    window run as (partition by icao24, squawk order by snapshot_time)
),
numbered as (
    select
        *,
        sum(begins::integer) over (
            partition by icao24, squawk order by snapshot_time
        ) as episode,
    from steps
),
episodes as (
    select
        icao24,
        squawk,
        arg_max(callsign, snapshot_time) filter (where callsign is not null) as callsign,
        min(snapshot_time) as first_time,
        max(snapshot_time) as last_time,
        count(*) as observations,
        to_json(
            coalesce(
                list( -- noqa: LT01
                    {
                        'time': epoch_us(snapshot_time) // 1000000,
                        'latitude': latitude,
                        'longitude': longitude,
                        'baro_altitude': baro_altitude,
                    }
                    order by snapshot_time
                ) filter (where located),
                []
            )
        )::varchar as positions,
        arg_min(latitude, snapshot_time) filter (where located) as first_latitude,
        arg_min(longitude, snapshot_time) filter (where located) as first_longitude,
        arg_max(latitude, snapshot_time) filter (where located) as last_latitude,
        arg_max(longitude, snapshot_time) filter (where located) as last_longitude,
        min(baro_altitude) as min_altitude,
        max(baro_altitude) as max_altitude,
    from numbered
    group by icao24, squawk, episode
)
select
    episodes.icao24,
    episodes.callsign,
    episodes.squawk,
    case episodes.squawk
        when '7500' then 'Unlawful interference'
        when '7600' then 'Radio failure'
        when '7700' then 'General emergency'
    end as meaning,
    episodes.first_time as from_time,
    episodes.last_time as to_time,
    epoch_us(newest.snapshot_time) - epoch_us(episodes.last_time) > 600000000
        or coalesce(latest.squawk <> episodes.squawk, false) as ended,
    (epoch_us(episodes.last_time) - epoch_us(episodes.first_time)) / 60000000 as duration_minutes,
    episodes.observations,
    episodes.positions,
    episodes.first_latitude,
    episodes.first_longitude,
    episodes.last_latitude,
    episodes.last_longitude,
    episodes.min_altitude,
    episodes.max_altitude,
from episodes
cross join newest
left join latest using (icao24)
order by from_time, episodes.icao24, episodes.squawk
