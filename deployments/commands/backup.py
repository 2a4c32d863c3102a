"""Backups of the database, and the way back.

The dump is made and read by the database's own container: another version's pg_dump
refuses, or writes what this one cannot read. A restore goes into a database of its own,
which then takes the other one's name in one transaction; the other one is set aside under
the run's name until the run is recorded. `HOMEGURU_RUN` is the run at work.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.commands.quote import Script, call, join

_DATABASE = r"""
container() { ids "$service" | head -n 1; }
# SQL comes on stdin: psql fills names in as :"db" there, quoted by itself, and not in -c.
sql_in() {
  local database=$1
  shift
  docker exec -i "$(container)" psql -U "$superuser" -d "$database" -v db="$name" "$@" -XAtq -v ON_ERROR_STOP=1
}
# Every table with its rows, counted, and its counters, as one line of JSON.
contents() {
  sql_in "$1" <<'SQL' | tr -d '\n'
SELECT coalesce(string_agg(format('SELECT %L AS t, count(*) AS n FROM %I.%I',
    schemaname || '.' || relname, schemaname, relname), ' UNION ALL '),
  'SELECT NULL AS t, 0 AS n WHERE false') AS counts FROM pg_stat_user_tables \gset
SELECT json_build_object(
  'reset', coalesce((SELECT stats_reset::text FROM pg_stat_database WHERE datname = current_database()), ''),
  'tables', coalesce(json_object_agg(c.t, json_build_object('rows', c.n,
    'inserted', s.n_tup_ins, 'updated', s.n_tup_upd, 'deleted', s.n_tup_del)), '{}'))
FROM pg_stat_user_tables s JOIN (:counts) c ON c.t = s.schemaname || '.' || s.relname;
SQL
}
"""

_BACKUP = r"""
# Who ends first ends the others: a writer whose reader is gone says 141, or fails itself.
no_backup() {
  local dump=$1 written=$2
  rm -f "$file.part"
  if [ "$written" = 141 ]; then fail "PostgreSQL cannot read the backup that it wrote"; fi
  [ "$dump" = 0 ] || fail "pg_dump failed"
  [ "$written" = 0 ] || fail "cannot write $file"
  fail "PostgreSQL cannot read the backup that it wrote"
}
back_up() {
  local described=$1 at id file server what
  at=$(now)
  id=$(tr -d ':-' <<< "$at")
  mkdir -p backups
  rm -f backups/*.part
  # A dump without its description is one whose run was killed between the two.
  for file in backups/*.dump; do [ -e "${file%.dump}.json" ] || rm -f "$file"; done
  file=backups/$id.dump
  [ ! -e "$file" ] || fail "backup $id is there already"
  server=$(sql_in "$name" <<< 'SHOW server_version' | cut -d' ' -f1)
  what=$(contents "$name")
  # Read to its end as it is written: the list of contents stands at the beginning, and knows
  # nothing of a cut tail. The checksum afterwards is of what the disk holds.
  docker exec "$(container)" pg_dump -U "$superuser" -d "$name" --format=custom | tee "$file.part" |
    docker exec -i "$(container)" pg_restore -f /dev/null || no_backup "${PIPESTATUS[@]}"
  described=${described//@ID@/$id}
  described=${described//@RUN@/$HOMEGURU_RUN}
  described=${described//@AT@/$at}
  described=${described//@SERVER@/$server}
  described=${described//\"@BYTES@\"/$(stat -c %s "$file.part")}
  described=${described//@SHA256@/$(sha256sum < "$file.part" | cut -c1-64)}
  sync "$file.part" 2>/dev/null || sync
  mv -f "$file.part" "$file"
  printf '%s\n' "${described//\"@CONTENTS@\"/$what}" > "backups/$id.json.part"
  mv -f "backups/$id.json.part" "backups/$id.json"
  if [ "$2" = restore ]; then drill "$id" "$(sha256sum < "$file" | cut -c1-64)" "$3"; fi
  say "@backup $id $(stat -c %s "$file")"
}
"""

_RESTORE = r"""
checked() {
  [ -f "backups/$1.dump" ] || fail "backup $1 has no file any more"
  [ "$(sha256sum < "backups/$1.dump" | cut -c1-64)" = "$2" ] || fail "backup $1 is not what was written: its checksum differs"
}
drop() {
  sql_in postgres -v gone="$1" <<'SQL'
DROP DATABASE IF EXISTS :"gone" WITH (FORCE);
SQL
}
# Empty, with the encoding and the collation of the one that it will replace.
create_like() {
  drop "$1"
  sql_in postgres -v new="$1" <<'SQL'
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', :'new',
    pg_encoding_to_char(encoding), datcollate, datctype) ||
  CASE datlocprovider WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
    coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale')) ELSE '' END
FROM pg_database d WHERE datname = :'db' \gexec
SQL
}
load() {
  checked "$1" "$2"
  create_like "$3"
  docker exec -i "$(container)" pg_restore -U "$superuser" -d "$3" --exit-on-error < "backups/$1.dump" ||
    { drop "$3"; fail "PostgreSQL cannot restore backup $1"; }
}
# In one transaction: at any moment exactly one database has the name.
swap() {
  sql_in postgres -v comes="$1" -v goes="$2" --single-transaction >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname IN (:'db', :'comes') AND pid <> pg_backend_pid();
ALTER DATABASE :"db" RENAME TO :"goes";
ALTER DATABASE :"comes" RENAME TO :"db";
SQL
}
exchange() {
  local try
  for try in 1 2 3 4 5; do
    if swap "$1" "$2"; then return; fi
    sleep 1
  done
  fail "database $name is in use and cannot be exchanged"
}
# One that does not answer has not said that it is not there.
there() {
  local found
  found=$(sql_in postgres -v wanted="$1" <<'SQL'
SELECT count(*) FROM pg_database WHERE datname = :'wanted';
SQL
) || fail "PostgreSQL does not answer"
  [ "$found" = 1 ]
}
answers() {
  local deadline=$((SECONDS + 60))
  until sql_in postgres <<< 'SELECT 1' >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "PostgreSQL does not answer"
    sleep 1
  done
}
restore() {
  local id=$1 sum=$2 aside=${name}_aside_${HOMEGURU_RUN:0:8}
  if there "$aside"; then say "already restored"; else
    load "$id" "$sum" "${name}_restoring"
    (exchange "${name}_restoring" "$aside") || { drop "${name}_restoring"; exit 20; }
    say "backup $id is the database now; the one before is set aside"
  fi
  say "@revision - $3"
}
# A copy needs that nobody is connected, and its users were stopped.
copy_aside() {
  local aside=${name}_aside_${HOMEGURU_RUN:0:8} try
  if there "$aside"; then say "already set aside"; return; fi
  for try in 1 2 3 4 5; do
    if sql_in postgres -v aside="$aside" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'db' AND pid <> pg_backend_pid();
CREATE DATABASE :"aside" TEMPLATE :"db";
SQL
    then return; fi
    sleep 1
  done
  fail "database $name is in use and cannot be copied"
}
bring_back() {
  local aside=${name}_aside_${1:0:8} undone=${name}_undone_${1:0:8}
  answers
  if there "$aside"; then
    exchange "$aside" "$undone"
    say "the database of before is back; what the other one held is kept as $undone"
  elif there "$undone"; then say "already brought back"
  else say "the database was not exchanged"; return; fi
  say "@brought-back $undone"
}
# Nothing is at work when this runs, so nothing of this kind is needed any more.
drop_aside() {
  local each
  for each in $(sql_in postgres <<'SQL'
SELECT datname FROM pg_database WHERE starts_with(datname, :'db' || '_aside_')
  OR datname IN (:'db' || '_restoring', :'db' || '_drill');
SQL
  ); do drop "$each"; done
}
drill() {
  load "$1" "$2" "${name}_drill"
  say "restored beside the database: $(sql_in "${name}_drill" <<< 'SELECT count(*) FROM pg_stat_user_tables') tables"
  if [ -n "${3:-}" ]; then
    sql_in "${name}_drill" < "$3" >/dev/null ||
      { drop "${name}_drill"; fail "the migration does not work on a restored copy of this database"; }
    say "the migration works on a restored copy"
  fi
  drop "${name}_drill"
}
"""

_PRUNE = r"""
prune_backups() {
  local id
  for id in "$@"; do
    rm -f "backups/$id.dump" "backups/$id.json"
    say "backup $id went, by policy"
  done
}
"""


@dataclass(frozen=True)
class On:
    """Which database: its service, the superuser and the name."""

    service: str
    superuser: str
    name: str

    def settings(self) -> list[str]:
        """Shell variables that the functions above read."""
        named = {"service": self.service, "superuser": self.superuser, "name": self.name}
        return [call("declare", f"{key}={value}") for key, value in named.items()]


def back_up(on: On, described: str, verify: str, timeout: int, trial: str = "") -> Script:
    """Dump, read back, describe. The last line of output is `@backup <id> <bytes>`.

    described: one JSON line with `@ID@`, `@AT@`, `@RUN@`, `@SERVER@`, `@BYTES@`, `@SHA256@`
    and `@CONTENTS@` in it, which the host fills in. verify: `restore` also restores it, into
    a database that is dropped again. trial: a file of SQL on the host that is tried there.
    """
    drilled = _RESTORE if verify == "restore" else ""
    parts = (_DATABASE, *on.settings(), drilled, _BACKUP, call("back_up", described, verify, trial))
    return Script(join(*parts), timeout=timeout)


def restore(on: On, name: str, sha256: str, revision: str, timeout: int) -> Script:
    """Put a backup in the database's place; the one before is set aside for this run.

    revision: the backup's, `-` for none; the last line of output tells it for the ledger.
    """
    return _restoring(on, call("restore", name, sha256, revision), timeout)


def drill(on: On, name: str, sha256: str, timeout: int) -> Script:
    """Restore a backup into a database of its own, which is dropped again."""
    return _restoring(on, call("drill", name, sha256), timeout)


def copy_aside(on: On, timeout: int) -> Script:
    """Copy the database under this run's name; `bring_back` makes that copy the database."""
    return _restoring(on, "copy_aside", timeout)


def bring_back(on: On, run: str) -> Script:
    """Undo of a restore by `run`: the database that it set aside takes its name again."""
    return _restoring(on, call("bring_back", run), 120)


def read_contents(on: On) -> str:
    """Shell text that prints the database's tables as one line of JSON."""
    return join(_DATABASE, *on.settings(), 'contents "$name"')


def read_version(on: On) -> str:
    """Shell text that prints the server's version."""
    return join(_DATABASE, *on.settings(), "sql_in postgres <<< 'SHOW server_version'")


def settle(on: On | None, gone: list[str]) -> Script:
    """After a recorded run: drop what a restore set aside, and backups past their policy."""
    prune = call("prune_backups", *gone) if gone else ""
    if on is None:
        return Script(join(_PRUNE, prune))
    return Script(join(_DATABASE, *on.settings(), _RESTORE, _PRUNE, "drop_aside", prune))


def _restoring(on: On, line: str, timeout: int) -> Script:
    return Script(join(_DATABASE, *on.settings(), _RESTORE, line), timeout=timeout)
