-- What must be there at every start. Passwords come from the environment and are set anew each time, so
-- that the Secret is what counts.
\set password `printenv POSTGRES_PASSWORD`
alter role postgres password :'password';
{{- range .Values.databases }}

\set password `printenv {{ upper . }}_PASSWORD`
select 'create role {{ . }} login' where not exists (select from pg_roles where rolname = '{{ . }}') \gexec
alter role {{ . }} password :'password';
select 'create database {{ . }} owner {{ . }}' where not exists (select from pg_database where datname = '{{ . }}') \gexec
revoke all on database {{ . }} from public;
{{- end }}
