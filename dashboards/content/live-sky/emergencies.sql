-- title = "Latest emergencies"
-- description = "The latest 20 times that an aircraft sent 7500 (unlawful interference), 7600 (radio failure) or 7700 (general emergency), those under way first, whole sky. Some are tests or wrongly set transponders. The table is rewritten at most once a minute."
-- display = "table"
--
-- [columns]
-- state = "State"
-- meaning = "Meaning"
-- squawk = "Squawk"
-- callsign = "Callsign"
-- icao24 = "ICAO 24-bit address"
-- from_time = "From (UTC)"
-- to_time = "To (UTC)"
-- duration_minutes = "Duration (min)"
-- last_latitude = "Last latitude (°)"
-- last_longitude = "Last longitude (°)"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["state"], type = "single", operator = "=", value = "Under way", color = "#EF8C8C", highlight_row = true }]
-- column_settings = { duration_minutes = { decimals = 1 }, last_latitude = { decimals = 2 }, last_longitude = { decimals = 2 } }

with episodes as (
    select
        case when ended then 'Ended' else 'Under way' end as state,
        meaning,
        squawk,
        callsign,
        icao24,
        from_time,
        to_time,
        duration_minutes,
        last_latitude,
        last_longitude
    from emergencies
),

-- No emergency is an answer too, and not an empty card.
nothing as (
    select
        'None seen' as state,
        null as meaning,
        null as squawk,
        null as callsign,
        null as icao24,
        cast(null as timestamp with time zone) as from_time,
        cast(null as timestamp with time zone) as to_time,
        cast(null as double precision) as duration_minutes,
        cast(null as double precision) as last_latitude,
        cast(null as double precision) as last_longitude
    where not exists (select 1 from episodes)
),

shown as (
    select * from episodes
    union all
    select * from nothing
)

select
    state,
    meaning,
    squawk,
    callsign,
    icao24,
    from_time,
    to_time,
    duration_minutes,
    last_latitude,
    last_longitude
from shown
order by case when state = 'Under way' then 0 else 1 end, to_time desc, icao24, squawk
limit 20
