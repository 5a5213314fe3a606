-- description: How fast the aircraft of the newest poll are: 40 bins of 10 m/s over 0 to 400 m/s, all
--   of them present. A bin has its lower edge and not its upper one, only the last has both: 400
--   exactly is in 390 to 400, as dq_velocity_ok has it. Speeds outside are in no bin;
--   velocity_percentiles says how many there are.
-- grain: bin_from
-- kind: full
-- refresh: full
-- columns:
--   bin_from: lower edge of the bin in metres per second, belongs to the bin
--   bin_to: upper edge of the bin in metres per second, belongs to the next one, except 400
--   aircraft: rows of the poll with a speed in the bin, on the ground or in the air
--   airborne: those of them in the air; a row that says neither is not among them
--   snapshot_time: the poll's own time
-- audits:
--   block range(bin_from, 0, 390)
--   block range(bin_to, 10, 400)
--   block sql counts_add_up: select * from velocity_distribution where airborne > aircraft

-- @select
with states as (
    select * from int_latest_states
),
polls as (
    select max(snapshot_time) as snapshot_time from states having count(*) > 0
),
bins as (
    select numbers.number as bin, polls.snapshot_time from polls, range(40) as numbers (number)
),
filled as (
    select
        least(floor(velocity / 10), 39)::bigint as bin,
        count(*) as aircraft,
        count(*) filter (where not on_ground) as airborne,
    from states
    where velocity between 0 and 400
    group by bin
)
select
    (bins.bin * 10)::double as bin_from,
    (bins.bin * 10 + 10)::double as bin_to,
    coalesce(filled.aircraft, 0) as aircraft,
    coalesce(filled.airborne, 0) as airborne,
    bins.snapshot_time,
from bins
left join filled using (bin)
order by bin_from
