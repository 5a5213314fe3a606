-- title = "Rows that pass, newest poll"
-- description = "Share of the newest poll's rows with a position, in range, and a speed that is absent or from 0 to 400 m/s."
-- display = "scalar"
--
-- [columns]
-- dq_ok_rate = "Share that passes"
--
-- [settings]
-- column_settings = { dq_ok_rate = { number_style = "percent", decimals = 2 } }

select max(dq_ok_rate) as dq_ok_rate
from kpi_latest
