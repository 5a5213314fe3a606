-- title = "Rules"
-- description = "Rows checked and failed by each rule in the hours chosen, whole hours up to the newest; the rule that most rows fail is first. A rule is checked on the rows it applies to. What the other dashboards count is decided by dq_has_position and dq_position_ok alone. A failure is mostly the transponder's or the receiver's, not the pipeline's."
-- display = "table"
--
-- [columns]
-- rule = "Rule"
-- meaning = "What passes"
-- checked = "Rows checked"
-- failed = "Rows failed"
-- failed_share = "Share failed"
--
-- [settings]
-- "table.column_formatting" = [{ columns = ["failed_share"], type = "single", operator = ">", value = 0.05, color = "#F9D45C", highlight_row = false }]
-- column_settings = { failed_share = { number_style = "percent", decimals = 3 }, failed = { show_mini_bar = true } }
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

with checks as (
    select
        rule,
        cast(sum(checked) as bigint) as checked,
        cast(sum(failed) as bigint) as failed
    from data_quality
    where fetch_hour > (select max(fetch_hour) from data_quality) - {{hours}} * interval '1 hour'
    group by rule
)

select
    rule,
    case rule
        when 'dq_has_position' then 'latitude and longitude are present'
        when 'dq_position_ok' then 'they are within 90° and 180°'
        when 'dq_velocity_ok' then 'the speed is absent, or 0 to 400 m/s'
        when 'dq_ok' then 'all of the three above'
        when 'altitude_in_range' then 'the barometric altitude is -500 to 20,000 m'
        when 'stale_position' then 'the position is not older than 60 s'
        when 'duplicate' then 'the aircraft comes once in a poll'
        when 'unmapped_country' then 'the country is known to the tables'
        when 'callsign_form' then 'the callsign is 1 to 8 capital letters and digits'
    end as meaning,
    checked,
    failed,
    1.0 * failed / nullif(checked, 0) as failed_share
from checks
order by failed_share desc, rule
