-- description: Numbers of the countries of registration, by which a poll's set of countries is kept.
-- grain: origin_country
-- kind: native
-- refresh: incremental
-- source: aviation.flight_states
-- columns:
--   origin_country: country of registration as OpenSky spells it
--   country_id: its number, from 1: its bit from the right

-- @state
create table if not exists country_ids (
    origin_country varchar not null,
    country_id uinteger not null,
);
