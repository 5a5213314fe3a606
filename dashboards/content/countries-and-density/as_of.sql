-- title = "Counted up to (UTC)"
-- description = "The newest poll that every table of this dashboard has counted. The density tables are the largest and may be minutes behind the others."
-- display = "scalar"
--
-- [columns]
-- as_of = "Counted up to (UTC)"
--
-- [settings]
-- column_settings = { as_of = { date_style = "YYYY/M/D", date_separator = "-", time_enabled = "seconds", time_style = "HH:mm" } }

select min(as_of) as as_of
from mart_status
where mart in ('country_stats', 'country_daily', 'flight_density_grid', 'flight_density_recent')
