# shellcheck shell=bash
# A database, as its own container's tools reach it.
# Reads: name service superuser

# `postgres` is set where one script asks it often: each look is a call of the engine.
postgres_container() { if [ -n "${postgres:-}" ]; then say "$postgres"; else container_ids "$service" | head -n 1; fi; }
# SQL comes on stdin: psql fills names in as :"db" there, quoted by itself, and not in -c.
sql_in() {
  local database=$1
  shift
  docker exec -i "$(postgres_container)" psql -U "$superuser" -d "$database" -v db="$name" "$@" -XAtq -v ON_ERROR_STOP=1
}
# Every table with its rows, counted, and its counters, as one line of JSON; with
# `-v versioned=1`, a line with the server's version before it. Not those that nobody else can
# read: another session's temporary ones, a view WITH NO DATA. `reset` differs when the counters
# began again: by hand, in another database of the name, after a crash.
database_contents() {
  sql_in "$@" <<'SQL'
\if :{?versioned}
\echo :SERVER_VERSION_NAME
\endif
SELECT coalesce(string_agg(format('SELECT %L AS t, count(*) AS n FROM %I.%I',
    schemaname || '.' || relname, schemaname, relname), ' UNION ALL '),
  'SELECT NULL AS t, 0 AS n WHERE false') AS counts FROM pg_stat_user_tables
WHERE relid IN (SELECT oid FROM pg_class WHERE relpersistence <> 't' AND relispopulated) \gset
SELECT json_build_object(
  'reset', (SELECT concat_ws(' ', datid, extract(epoch FROM stats_reset),
    (SELECT extract(epoch FROM stats_reset) FROM pg_stat_bgwriter))
    FROM pg_stat_database WHERE datname = current_database()),
  'extensions', (SELECT json_object_agg(extname, pg_get_userbyid(extowner)) FROM pg_extension),
  'tables', coalesce(json_object_agg(c.t, json_build_object('rows', c.n,
    'inserted', s.n_tup_ins, 'updated', s.n_tup_upd, 'deleted', s.n_tup_del)), '{}'))
FROM pg_stat_user_tables s JOIN (:counts) c ON c.t = s.schemaname || '.' || s.relname;
SQL
}
