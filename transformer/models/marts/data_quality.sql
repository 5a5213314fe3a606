-- description: How many rows of each hour broke which rule. A rule checks the rows it applies to: one
--   about a value leaves out rows without it, and an hour without such rows has no row of the rule.
--   Rules: dq_has_position (latitude and longitude are present), dq_position_ok (within 90 and 180
--   degrees), dq_velocity_ok (0 to 400 m/s), dq_ok (all three, a velocity that is absent passes),
--   altitude_in_range (barometric, -500 to 20,000 m), stale_position (fails when the position is older
--   than 60 s by time_position, or by last_contact without one), duplicate (fails when the same
--   aircraft of the same poll was sent before; the only rule whose checked rows have the repeats
--   among them), unmapped_country (fails when the country is not in the seed), callsign_form (1 to 8
--   capital letters and digits).
-- grain: fetch_hour, rule
-- kind: incremental
-- refresh: affected keys
-- columns:
--   fetch_hour: start of the hour of the polls, UTC
--   rule: name of the rule
--   checked: rows that the rule applies to
--   failed: rows among them that break it
--   ok_rate: share of the checked rows that pass, 0 to 1
-- audits:
--   block range(ok_rate, 0, 1)
--   block sql failed_within_checked: select * from data_quality where failed > checked
--   warn sql much_failed:
--       select * from data_quality
--       where ok_rate < 0.5 and checked >= 100 and rule <> 'stale_position'

-- @state
create table if not exists quality_hours (
    hour timestamptz not null,
    rule varchar not null,
    checked bigint not null,
    failed bigint not null,
    last_batch bigint not null,
);

-- @merge
merge into quality_hours as known
using (
    select *, getvariable('batch') as last_batch from new_quality
) as fresh
on known.hour = fresh.hour
    and known.rule = fresh.rule
    and known.hour >= getvariable('first_hour')
when matched then update set
    checked = known.checked + fresh.checked,
    failed = known.failed + fresh.failed,
    last_batch = fresh.last_batch
when not matched then insert by name;

-- @forget
delete from quality_hours
where hour >= getvariable('forget_from_time') and hour < getvariable('forget_before_time');

-- @parts
select distinct utc_date(hour)::varchar as part
from quality_hours
where last_batch > getvariable('published_batch')
union
select day::varchar
from left_days
where batch > getvariable('published_batch')

-- @select
with hours as (
    select * from quality_hours where utc_date(hour) = getvariable('part')::date
)
select
    hour as fetch_hour,
    rule,
    checked,
    failed,
    1 - failed / checked as ok_rate,
from hours
order by fetch_hour, rule
