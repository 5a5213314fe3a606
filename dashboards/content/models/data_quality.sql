-- title = "Quality by hour"
-- description = "Rows checked and failed by each quality rule in each hour (UTC). A rule is checked on the rows it applies to: one about a value leaves out rows without it. The dashboard Quality and pipeline says what each rule asks for."
-- display = "table"
-- model = true
--
-- [columns]
-- fetch_hour = "Hour (UTC)"
-- rule = "Rule"
-- checked = "Rows checked"
-- failed = "Rows failed"
-- ok_rate = "Share that passes"

select
    fetch_hour,
    rule,
    checked,
    failed,
    ok_rate
from data_quality
order by fetch_hour desc, rule
