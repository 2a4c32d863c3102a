# shellcheck shell=bash
# A database restored beside the present one, and the exchange of the two names.
# Reads: name owner owner_secret superuser

check_backup() {
  [ -f "backups/$1.dump" ] || fail "backup $1 has no file any more"
  [ "$(sha256sum < "backups/$1.dump" | cut -c1-64)" = "$2" ] || fail "backup $1 is not what was written: its checksum differs"
}
# A session of a database can neither rename nor drop that: it asks from another one.
sql_beside() {
  local beside=postgres
  [ "$name" != postgres ] || beside=template1
  sql_in "$beside" "$@"
}
drop_database() {
  sql_beside -v gone="$1" <<'SQL'
DROP DATABASE IF EXISTS :"gone" WITH (FORCE);
SQL
}
# Empty, with the encoding and the collation of the one that it will replace.
create_database_like() {
  sql_beside -v new="$1" <<'SQL'
DROP DATABASE IF EXISTS :"new" WITH (FORCE);
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', :'new',
    pg_encoding_to_char(encoding), datcollate, datctype) ||
  CASE to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
    coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale'))
  WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale')
  ELSE '' END
FROM pg_database d WHERE datname = :'db' \gexec
SQL
}
# What belongs to the name: neither a dump nor a template has owner, limit, settings, privileges, comment.
# Settings go from row to row, for a list such as search_path cannot be said again from its text.
copy_database_settings() {
  sql_beside -v new="$1" --single-transaction >/dev/null <<'SQL'
SELECT format('ALTER DATABASE %I OWNER TO %I', :'new', pg_get_userbyid(datdba)) AS owner,
  format('ALTER DATABASE %I CONNECTION LIMIT %s', :'new', datconnlimit) AS most
FROM pg_database WHERE datname = :'db' \gexec
DELETE FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = :'new');
INSERT INTO pg_db_role_setting SELECT n.oid, s.setrole, s.setconfig
FROM pg_database n, pg_database o JOIN pg_db_role_setting s ON s.setdatabase = o.oid
WHERE n.datname = :'new' AND o.datname = :'db';
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'new')
FROM pg_database WHERE datname = :'db' AND datacl IS NOT NULL \gexec
SELECT format('COMMENT ON DATABASE %I IS %L', :'new', shobj_description(oid, 'pg_database'))
FROM pg_database WHERE datname = :'db' \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, :'new',
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = :'db' \gexec
SQL
}
# A dump does not say whose an extension is, and no command gives it to somebody else: whoever restores
# has it, and the next migration could not alter it. owners: name to role, as the backup knows them;
# without them, as in the database that is there.
own_extensions() {
  local owners=$2
  [ -n "$owners" ] || owners=$(sql_in "$name" <<< "SELECT coalesce(jsonb_object_agg(extname, pg_get_userbyid(extowner)), '{}') FROM pg_extension")
  sql_in "$1" -v owners="$owners" >/dev/null <<'SQL'
WITH given AS (
  UPDATE pg_extension e SET extowner = r.oid
  FROM json_each_text(:'owners') o JOIN pg_roles r ON r.rolname = o.value
  WHERE e.extname = o.key AND e.extowner <> r.oid RETURNING e.oid AS extension, r.oid AS owner
), before AS (
  DELETE FROM pg_shdepend d USING given g
  WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND d.classid = 'pg_extension'::regclass AND d.objid = g.extension AND d.deptype = 'o'
)
INSERT INTO pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_extension'::regclass,
  extension, 0, 'pg_authid'::regclass, owner, 'o'
-- The first role of all is a part of the server, and is written down nowhere.
FROM given WHERE owner <> 10;
SQL
}
load_backup() {
  check_backup "$1" "$2"
  create_database_like "$3"
  docker exec -i "$(postgres_container)" pg_restore -U "$superuser" -d "$3" --exit-on-error < "backups/$1.dump" ||
    { drop_database "$3"; fail "PostgreSQL cannot restore backup $1"; }
  own_extensions "$3" "${4:-}"
  copy_database_settings "$3"
}
# In one transaction: at any moment exactly one database has the name.
swap_names() {
  sql_beside -v comes="$1" -v goes="$2" --single-transaction >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname IN (:'db', :'comes') AND pid <> pg_backend_pid();
ALTER DATABASE :"db" RENAME TO :"goes";
ALTER DATABASE :"comes" RENAME TO :"db";
SQL
}
exchange_database() {
  local try
  for try in 1 2 3 4 5; do
    if swap_names "$1" "$2"; then return; fi
    sleep 1
  done
  fail "database $name is in use and cannot be exchanged"
}
# One that does not answer has not said that it is not there.
database_exists() {
  local found
  found=$(sql_beside -v wanted="$1" <<'SQL'
SELECT count(*) FROM pg_database WHERE datname = :'wanted';
SQL
) || fail "PostgreSQL does not answer"
  [ "$found" = 1 ]
}
# A run's last characters: its first ones are the time, alike in all runs of one minute.
database_of_run() { say "${name}_$1_${2: -12}"; }
database_answers() {
  local deadline=$((SECONDS + 60))
  until sql_beside <<< 'SELECT 1' >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "PostgreSQL does not answer"
    sleep 1
  done
}
restore_backup() {
  local id=$1 sum=$2 owners=${4:-} aside postgres
  aside=$(database_of_run aside "$HOMEGURU_RUN")
  postgres=$(postgres_container)
  # What an unfinished run set aside was settled before: this is of a recorded one, tried again.
  drop_database "$aside"
  load_backup "$id" "$sum" "${name}_restoring" "$owners"
  (exchange_database "${name}_restoring" "$aside") || { drop_database "${name}_restoring"; exit 20; }
  say "backup $id is the database now; the one before is set aside"
  result revision "$3"
}
# A copy needs that nobody is connected, and its users were stopped.
copy_database_aside() {
  local aside try
  aside=$(database_of_run aside "$HOMEGURU_RUN")
  # As in a restore: one of that name is of a run that was recorded, and is old.
  drop_database "$aside"
  for try in 1 2 3 4 5; do
    if sql_beside -v aside="$aside" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'db' AND pid <> pg_backend_pid();
CREATE DATABASE :"aside" TEMPLATE :"db";
SQL
    then copy_database_settings "$aside"; return; fi
    sleep 1
  done
  fail "database $name is in use and cannot be copied"
}
bring_database_back() {
  local aside undone="" next again=1
  aside=$(database_of_run aside "$1")
  next=$(database_of_run undone "$1")
  database_answers
  # A run that is tried again under its name may be undone again.
  while database_exists "$next"; do
    undone=$next again=$((again + 1))
    next=$(database_of_run undone "$1")_$again
  done
  if database_exists "$aside"; then
    exchange_database "$aside" "$next"
    undone=$next
    say "the database of before is back; what the other one held is kept as $undone"
  elif [ -n "$undone" ]; then say "already brought back"
  else say "the database was not exchanged"; return; fi
  result kept "$undone"
}
# Nothing is at work when this runs, so nothing of this kind is needed any more.
drop_databases_aside() {
  local each found
  found=$(sql_beside <<'SQL'
SELECT datname FROM pg_database WHERE starts_with(datname, :'db' || '_aside_')
  OR datname IN (:'db' || '_restoring', :'db' || '_drill');
SQL
  )
  while IFS= read -r each; do [ -z "$each" ] || drop_database "$each"; done <<< "$found"
}
# shellcheck disable=SC2119  # without an argument nothing is tried
drill_backup() { restore_copy "$@"; try_migration; }
restore_copy() {
  load_backup "$1" "$2" "${name}_drill" "${3:-}"
  say "restored beside the database: $(sql_in "${name}_drill" <<< 'SELECT count(*) FROM pg_stat_user_tables') tables"
}
# As the owner that will run it, and no superuser: an image wrote that text.
psql_as_owner() {
  PGPASSWORD=$(secret_value "$owner_secret") docker exec -i -e PGPASSWORD "$(postgres_container)" \
    psql -U "$owner" -d "${name}_drill" -XAtq -v ON_ERROR_STOP=1
}
# psql would obey a `\!` in it, which starts a program.
restricted_sql() {
  local key
  # shellcheck disable=SC1003  # one backslash
  if ! grep -q '\\' "$1"; then cat "$1"; return; fi
  key=$(od -An -vtx1 -N16 /dev/urandom | tr -d ' \n')
  say "\\restrict $key"
  cat "$1"
  say
  say "\\unrestrict $key"
}
# shellcheck disable=SC2120  # backup.sh gives one
try_migration() {
  if [ -n "${1:-}" ]; then
    # shellcheck disable=SC1003  # one backslash
    ! grep -q '\\' "$1" || printf '%s\n' '\restrict a' '\unrestrict a' | psql_as_owner >/dev/null 2>&1 ||
      { drop_database "${name}_drill"; fail "the migration's SQL holds a backslash, and psql of this PostgreSQL has no \\restrict that keeps it from being obeyed: update its image, or set [backup] verify = \"read\""; }
    restricted_sql "$1" | psql_as_owner >/dev/null ||
      { drop_database "${name}_drill"; fail "the migration does not work on a restored copy of this database"; }
    say "the migration works on a restored copy"
  fi
  drop_database "${name}_drill"
}
