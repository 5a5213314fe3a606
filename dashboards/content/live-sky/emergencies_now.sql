-- title = "Emergencies now"
-- description = "Aircraft that send 7500, 7600 or 7700 and have not stopped, whole sky. Some are tests or wrongly set transponders."
-- display = "scalar"
--
-- [columns]
-- emergencies = "Emergencies under way"

select count(*) as emergencies
from emergencies
where not ended
