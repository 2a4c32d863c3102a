# shellcheck shell=bash
# Whether the database holds tables: no container ran that could be asked, so its volume may be
# one of before.
# Reads: name

holds_tables() {
  local found
  found=$(sql_in "$name" <<< 'SELECT count(*) FROM pg_stat_user_tables') || fail "PostgreSQL does not answer"
  [ "$found" = 0 ] || say "the database is not empty, as it was to be: backing it up first"
  [ "$found" != 0 ]
}
