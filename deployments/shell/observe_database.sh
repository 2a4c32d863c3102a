# shellcheck shell=bash
# What an observation asks a database.

# A line of its size, its version and of what runs set aside, then its revisions, one a line. In this order: what
# the application writes into its table is read as nothing else. A fresh one has no such table.
# An extension's tables are not counted.
ask_database() {
  docker exec "$1" psql -U "$2" -d "$3" -XAtq -v ON_ERROR_STOP=1 \
    -c "SELECT jsonb_build_object('bytes', pg_database_size(current_database()),
        'version', current_setting('server_version_num'),
        'tables', (SELECT count(*) FROM pg_stat_user_tables t WHERE NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.relid
            AND d.deptype = 'e')),
        'aside', coalesce(jsonb_agg(substr(datname, length(current_database()) + 2))
          FILTER (WHERE starts_with(datname, current_database() || '_aside_')
            OR datname IN (current_database() || '_restoring', current_database() || '_drill')), '[]'),
        'undone', coalesce(jsonb_agg(datname)
          FILTER (WHERE starts_with(datname, current_database() || '_undone_')), '[]'),
        'logins', (SELECT coalesce(jsonb_agg(rolname), '[]') FROM pg_roles
          WHERE rolcanlogin AND rolvaliduntil IS DISTINCT FROM '-infinity'))
        FROM pg_database" \
    -c "$4" 2>/dev/null || true
}
