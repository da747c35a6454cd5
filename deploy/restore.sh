#!/bin/sh
# Restore a dump into the empty database that libpq's variables name (PGHOST, PGDATABASE, PGUSER, PGPASSFILE): all of it
# or nothing. Who restores owns the tables; deploy/roles.sql says what other roles may do with them.
set -eu
dump="${1:?usage: deploy/restore.sh DUMP}"
pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="${PGDATABASE:?}" "$dump"
psql --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 <<'SQL'
ANALYZE;
SELECT 'restored: revision ' || version_num || ', ' || (SELECT count(*) FROM users) || ' users' FROM alembic_version;
SQL
