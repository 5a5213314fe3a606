-- title = "Speeds now (m/s)"
-- description = "Aircraft of the newest poll by speed over ground, in bins of 10 m/s. A bin has its lower edge and not its upper one. Speeds beyond 400 m/s are in no bin; the filters do not apply."
-- display = "bar"
--
-- [columns]
-- bin_from = "Speed from (m/s)"
-- airborne = "In the air"
-- other = "On the ground, or not said"
--
-- [settings]
-- "graph.dimensions" = ["bin_from"]
-- "graph.metrics" = ["airborne", "other"]
-- "graph.x_axis.scale" = "ordinal"
-- "graph.x_axis.title_text" = "Speed over ground, from (m/s)"
-- "graph.y_axis.title_text" = "Aircraft"
-- "stackable.stack_type" = "stacked"
-- column_settings = { bin_from = { decimals = 0 } }

select
    bin_from,
    airborne,
    aircraft - airborne as other
from velocity_distribution
order by bin_from
