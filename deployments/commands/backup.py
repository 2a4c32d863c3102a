"""Backups of the database.

The dump is made and read by the database's own container: another version's pg_dump
refuses, or writes what this one cannot read. `HOMEGURU_RUN` is the run at work.
"""

from __future__ import annotations

from deployments.commands.exchange import RESTORE
from deployments.commands.postgres import HIDDEN, On
from deployments.commands.quote import Script, call, join

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
  local described=$1 at id file postgres what
  at=$(now)
  id=$(tr -d ':-' <<< "$at")
  mkdir -p backups
  rm -f backups/*.part
  # A dump without its description is one whose run was killed between the two.
  for file in backups/*.dump; do [ -e "${file%.dump}.json" ] || rm -f "$file"; done
  file=backups/$id.dump
  [ ! -e "$file" ] || fail "backup $id is there already"
  postgres=$(container)
  what=$(contents "$name" -v versioned=1)
  # Read to its end as it is written: the list of contents stands at the beginning, and knows
  # nothing of a cut tail. The checksum afterwards is of what the disk holds.
  docker exec "$postgres" pg_dump -U "$superuser" -d "$name" --format=custom | tee "$file.part" |
    docker exec -i "$postgres" pg_restore -f /dev/null || no_backup "${PIPESTATUS[@]}"
  described=${described//@ID@/$id}
  described=${described//@RUN@/$HOMEGURU_RUN}
  described=${described//@AT@/$at}
  described=${described//@SERVER@/$(head -n 1 <<< "$what" | cut -d' ' -f1)}
  described=${described//\"@BYTES@\"/$(stat -c %s "$file.part")}
  described=${described//@SHA256@/$(sha256sum < "$file.part" | cut -c1-64)}
  sync "$file.part" 2>/dev/null || sync
  mv -f "$file.part" "$file"
  # Quoted, for a `&` in a table's name: bash 5.2 takes it for what was found, as sed does.
  described=${described//\"@CONTENTS@\"/"${what#*$'\n'}"}
  # One that does not restore is none.
  if [ "$2" = restore ]; then
    trap "rm -f '$file'" EXIT
    beside "$id" "$(sha256sum < "$file" | cut -c1-64)"
    trap - EXIT
  fi
  printf '%s\n' "$described" > "backups/$id.json.part"
  mv -f "backups/$id.json.part" "backups/$id.json"
  if [ "$2" = restore ]; then tried "$3"; fi
  result backup "$id" "$(stat -c %s "$file")"
}
"""

# No container ran that could be asked: its volume may be one of before.
_UNLESS_EMPTY = r"""
holds_tables() {
  local found
  found=$(sql_in "$name" <<< 'SELECT count(*) FROM pg_stat_user_tables') || fail "PostgreSQL does not answer"
  [ "$found" = 0 ] || say "the database is not empty, as it was to be: backing it up first"
  [ "$found" != 0 ]
}
"""

_PRUNE = r"""
prune_backups() {
  local made=$1 id
  shift
  # The one that the others are counted against: without it they are the newest there are.
  [ -z "$made" ] || [ -f "backups/$made.json" ] || fail "backup $made of this run is not here: every other one stays"
  for id in "$@"; do
    rm -f "backups/$id.dump" "backups/$id.json"
    say "backup $id went, by policy"
  done
}
"""


def back_up(
    on: On, described: str, verify: str, timeout: int, trial: str = "", owner: tuple[str, str] = ("", ""),
) -> Script:  # fmt: skip
    """Dump, read back, describe. Its result is the backup's id and size.

    described: one JSON line with `@ID@`, `@AT@`, `@RUN@`, `@SERVER@`, `@BYTES@`, `@SHA256@`
    and `@CONTENTS@` in it, which the host fills in. verify: `restore` also restores it, into
    a database that is dropped again. trial: a file of SQL on the host that is tried there,
    as owner: (role, secret's name).
    """
    drilled = RESTORE if verify == "restore" else ""
    named = [call("declare", f"owner={owner[0]}", f"owner_secret={owner[1]}")] if trial else []
    line = call("back_up", described, verify, trial)
    parts = (*on.functions(), HIDDEN if trial else "", drilled, *named, _BACKUP, line)
    return Script(join(*parts), timeout=timeout)


def back_up_unless_empty(on: On, described: str, verify: str) -> str:
    """Shell text: a backup where the database is not empty, though nobody was there to say so."""
    drilled = RESTORE if verify == "restore" else ""
    back = call("back_up", described, verify, "")
    return join(
        *on.functions(), drilled, _BACKUP, _UNLESS_EMPTY, f"if holds_tables; then {back}; fi"
    )


def settle(on: On | None, gone: list[str], made: str = "") -> Script:
    """After a recorded run: drop what a restore set aside, and backups past their policy.

    made: the run's own backup, for which the others go.
    """
    prune = call("prune_backups", made, *gone) if gone else ""
    if on is None:
        return Script(join(_PRUNE, prune))
    return Script(join(*on.functions(), RESTORE, _PRUNE, "drop_aside", prune))
