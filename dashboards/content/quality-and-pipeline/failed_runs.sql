-- title = "Runs that did not succeed"
-- description = "Runs that failed, were blocked by an audit or were interrupted, in the hours chosen, which end with the newest run."
-- display = "scalar"
--
-- [columns]
-- runs = "Runs that did not succeed"
--
-- [parameters.hours]
-- title = "Hours to look back"
-- type = "number"
-- default = 24

select count(*) as runs
from pipeline_runs
where
    status <> 'succeeded'
    and started > (select max(started) from pipeline_runs) - {{hours}} * interval '1 hour'
