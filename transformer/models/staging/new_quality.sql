-- description: Rows of the batch by hour and quality rule: how many the rule applies to, and how many
--   break it. Rules: dq_has_position, dq_position_ok, dq_velocity_ok (0 to 400 m/s), dq_ok (all
--   three), altitude_in_range (-500 to 20,000 m), stale_position (older than 60 s by time_position,
--   or by last_contact without one), duplicate (sent before; applies to all rows that were sent),
--   unmapped_country (not in the seed), callsign_form (1 to 8 capital letters and digits).
-- grain: hour, rule
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states, countries
-- columns:
--   hour: start of the hour, UTC
--   rule: the rule
--   checked: rows it applies to
--   failed: rows among them that break it

-- @state
create or replace temp table new_quality (
    hour timestamptz not null,
    rule varchar not null,
    checked bigint not null,
    failed bigint not null,
);
