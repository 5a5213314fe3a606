-- title = "Age of the newest poll (s)"
-- description = "Seconds from the newest poll that the tables have counted to the moment this was asked. While the pipeline runs it stays near the interval of the polls."
-- display = "scalar"
--
-- [columns]
-- age_seconds = "Age of the newest poll (s)"

select cast(floor(extract(epoch from now() - max(snapshot_time))) as bigint) as age_seconds
from kpi_latest
