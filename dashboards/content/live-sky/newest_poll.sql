-- title = "Newest poll (UTC)"
-- description = "Time of the newest poll that the tables have counted. What is called now is as of then."
-- display = "scalar"
--
-- [columns]
-- snapshot_time = "Newest poll (UTC)"
--
-- [settings]
-- column_settings = { snapshot_time = { date_style = "YYYY/M/D", date_separator = "-", time_enabled = "seconds", time_style = "HH:mm" } }

select max(snapshot_time) as snapshot_time
from kpi_latest
