-- title = "Audits that fail now"
-- description = "Audits whose latest result is a failure. One of severity block keeps a generation from readers; warn lets it through."
-- display = "scalar"
--
-- [columns]
-- audits = "Audits that fail"

with results as (
    select
        status,
        row_number() over (partition by mart, audit order by checked_at desc) as newest
    from audit_results
)

select count(*) as audits
from results
where newest = 1 and status = 'failed'
