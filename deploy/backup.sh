#!/bin/sh
# Dump the database that libpq's variables name (PGHOST, PGDATABASE, PGUSER, PGPASSFILE) into a folder, and print the
# name of the file. Only a dump that can be read to its end gets that name.
set -eu
umask 077
dump="${1:?usage: deploy/backup.sh FOLDER}/counterfoil-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --file="$dump.part"
pg_restore --file=/dev/null "$dump.part"
mv "$dump.part" "$dump"
echo "$dump"
