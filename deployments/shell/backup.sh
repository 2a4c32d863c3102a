# shellcheck shell=bash
# A backup of the database: dumped, read back, described.
# Reads: name superuser

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
  postgres=$(postgres_container)
  what=$(database_contents "$name" -v versioned=1)
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
    # shellcheck disable=SC2064  # expanded now: these names are gone when the trap runs
    trap "rm -f '$file'" EXIT
    restore_copy "$id" "$(sha256sum < "$file" | cut -c1-64)"
    trap - EXIT
  fi
  printf '%s\n' "$described" > "backups/$id.json.part"
  mv -f "backups/$id.json.part" "backups/$id.json"
  if [ "$2" = restore ]; then try_migration "$3"; fi
  result backup "$id" "$(stat -c %s "$file")"
}
