-- What must be there at every start: what the chart postgres makes of its template. Passwords come from
-- the environment and are set anew each time.
\set password `printenv POSTGRES_PASSWORD`
alter role postgres password :'password';

\set password `printenv ICEBERG_PASSWORD`
select 'create role iceberg login' where not exists (select from pg_roles where rolname = 'iceberg') \gexec
alter role iceberg password :'password';
select 'create database iceberg owner iceberg' where not exists (select from pg_database where datname = 'iceberg') \gexec
revoke all on database iceberg from public;

\set password `printenv METABASE_PASSWORD`
select 'create role metabase login' where not exists (select from pg_roles where rolname = 'metabase') \gexec
alter role metabase password :'password';
select 'create database metabase owner metabase' where not exists (select from pg_database where datname = 'metabase') \gexec
revoke all on database metabase from public;
