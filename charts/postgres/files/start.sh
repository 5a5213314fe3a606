#!/bin/sh
# Starts the server; before that it makes what is missing of the data folder, of the databases and of
# their roles. Needs PostgreSQL's programs in PATH, and writes to the data and the socket's folder only.
set -eu
export PGDATA=/var/lib/postgresql/data/pgdata
# Where the socket is.
export PGHOST=${PGHOST:-/var/run/postgresql} PGUSER=postgres

if [ ! -e "$PGDATA/PG_VERSION" ]; then
    # Made beside and renamed: a start that is cut short leaves nothing half-made.
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        --auth-local=trust --auth-host=scram-sha-256
    mv "$PGDATA.new" "$PGDATA"
fi
# The kubelet gives volumes to the group; PostgreSQL refuses data that the group may write.
chmod 700 "$PGDATA"

# On the socket only, so that nobody connects before the databases are there. After a power cut the server
# first recovers, for which the startup probe allows five minutes.
pg_ctl start --silent --wait --timeout=280 --options="-c listen_addresses='' -c hba_file=/etc/postgres/pg_hba.conf -k $PGHOST"
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres --file=/etc/postgres/databases.sql
pg_ctl stop --silent --wait --mode=fast

exec postgres -c config_file="$PGDATA/postgresql.conf" -c hba_file=/etc/postgres/pg_hba.conf \
    -c listen_addresses='*' -k "$PGHOST" "$@"
