"""The database: roles and grants by the superuser, migration by the owner."""

from __future__ import annotations

from deployments.database.sql_container import ENV_FILE, FILE, SERVICE
from deployments.shell.quote import Script, call, functions, join

LIMIT = 90
"""Seconds within which an image has printed the SQL of its migrations."""
MOST = 8_000_000
"""Bytes of SQL that are read."""


def print_sql(incoming: str, command: tuple[str, ...]) -> Script:
    """Ask an image for the SQL of its migrations, which is printed and not run.

    `sql_container.FILE` and its `ENV_FILE` lie in `incoming`. Answers in sections: `sql`, `said`
    (what it complained of) and `code`: its exit code, 124 when it did not end within LIMIT
    seconds, `toomuch` for more than MOST bytes.
    """
    line = call("print_sql", incoming, LIMIT, MOST, SERVICE, FILE, ENV_FILE, *command)
    return Script(join(functions("database_print_sql"), line), timeout=LIMIT + 30)


def prepare_roles(
    service: str, superuser: str, database: str, owner: tuple[str, str],
    application: tuple[str, str], login: str = "", initial: str = "",
) -> Script:  # fmt: skip
    """Create or update both roles and their grants. owner, application: (role, secret's name).

    login: which of its two roles the application logs in as, where it has two. initial: secret of a
    new password for the superuser.
    """
    sql = roles_sql(
        database=database, owner=owner[0], application=application[0], login=login,
        superuser=superuser if initial else "",
    )  # fmt: skip
    secrets = (owner[1], application[1], initial or application[1])
    line = call("create_roles", service, superuser, database, sql, *secrets)
    return Script(join(functions("postgres_secret", "database_roles"), line))


def end_login(service: str, superuser: str, database: str, role: str) -> Script:
    """End a role's password; connections from other containers that are left are closed."""
    sql = f"""\
ALTER ROLE {_identifier(role)} PASSWORD NULL VALID UNTIL '-infinity';
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usename = {_literal(role)} AND client_addr IS NOT NULL;
"""
    line = call("change_roles", service, superuser, database, sql)
    return Script(join(functions("database_roles"), line))


def migrate(
    *, database: tuple[str, str, str, str], service: str, variable: str, image: str,
    command: tuple[str, ...], timeout: int,
) -> Script:  # fmt: skip
    """Run the migration command in a one-off container of `image`.

    database: (service, superuser, database name, revision query). Its result is the revision
    afterwards, empty for none.
    """
    names = zip(("database", "superuser", "name", "query"), database, strict=True)
    assign = [call("declare", f"{key}={value}") for key, value in names]
    return Script(
        join(
            functions("database_migrate"),
            *assign,
            call("migrate", service, variable, image, *command),
        ),
        timeout=timeout,
    )


def roles_sql(
    *, database: str, owner: str, application: str, login: str = "", superuser: str = ""
) -> str:
    """SQL that creates or updates both roles, their grants and time-outs; it can be repeated.

    login: the role that takes the application's password, where that logs in by turns. superuser:
    who takes a new password, if anybody does.

    Tables, types and functions that another role made (an adopted volume) become the owner's, so
    that it can migrate them. psql fills the passwords in from its environment.
    """
    own, app, base = _identifier(owner), _identifier(application), _identifier(database)
    # They are for who migrates, and the application's where both are one role.
    bounds = (
        ""
        if owner == application
        else (
            f"ALTER ROLE {own} SET lock_timeout = '10s';\n"
            f"ALTER ROLE {own} SET statement_timeout = '15min';\n"
        )
    )
    return f"""\
\\set owner_password `printf %s "$OWNER_PASSWORD"`
\\set application_password `printf %s "$APPLICATION_PASSWORD"`
\\set superuser_password `printf %s "$SUPERUSER_PASSWORD"`
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SELECT pg_advisory_xact_lock(7462);
{_create(owner)}
{_create(application)}
{_passwords(owner, application, login, superuser)}{bounds}GRANT CONNECT, CREATE ON DATABASE {base} TO {own};
GRANT CONNECT ON DATABASE {base} TO {app};
GRANT USAGE, CREATE ON SCHEMA public TO {own};
GRANT USAGE ON SCHEMA public TO {app};
DO $$
DECLARE item record;
BEGIN
  FOR item IN
    SELECT c.oid::regclass AS name, c.relkind AS kind FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = {_literal(owner)})
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e')
                      AND c.relkind = 'S' OR d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relkind = 'S'
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I', CASE item.kind WHEN 'v' THEN 'VIEW'
      WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
      item.name, {_literal(owner)});
  END LOOP;
  -- Enumerations, domains and the like; those of tables and arrays go with what they belong to.
  FOR item IN
    SELECT t.oid::regtype AS name FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r', 'c')
      AND (t.typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'c')
      AND t.typowner <> (SELECT oid FROM pg_roles WHERE rolname = {_literal(owner)})
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass
                      AND d.objid = t.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('ALTER TYPE %s OWNER TO %I', item.name, {_literal(owner)});
  END LOOP;
  FOR item IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND p.proowner <> (SELECT oid FROM pg_roles WHERE rolname = {_literal(owner)})
      -- With its owner's rights, it would do something else as the owner's.
      AND NOT p.prosecdef
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('ALTER ROUTINE %s OWNER TO %I', item.name, {_literal(owner)});
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app};
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {own} IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {own} IN SCHEMA public
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {app};
"""


def _passwords(owner: str, application: str, login: str, superuser: str) -> str:
    """Who logs in with what. The role that takes no turn now is left as it is."""
    lines = []
    if login in ("", application) or owner != application:
        lines.append(f"ALTER ROLE {_identifier(owner)} LOGIN PASSWORD :'owner_password';")
    if login in ("", application):
        until = " VALID UNTIL 'infinity'" if login else ""
        lines.append(
            f"ALTER ROLE {_identifier(application)} LOGIN PASSWORD :'application_password'{until};"
        )
    else:
        lines.append(_second(application, login))
    if superuser:
        lines.append(f"ALTER ROLE {_identifier(superuser)} PASSWORD :'superuser_password';")
    return "".join(f"{line}\n" for line in lines)


def _second(application: str, login: str) -> str:
    """A role that logs in, and is the application's for all that it does then.

    What was set for that one, such as its search_path, is set for this one too: PostgreSQL takes
    settings from who logs in.
    """
    first, second = _identifier(application), _identifier(login)
    return f"""\
{_create(login)}
GRANT {first} TO {second};
ALTER ROLE {second} RESET ALL;
DO $$
DECLARE item record;
BEGIN
  FOR item IN
    SELECT split_part(pair, '=', 1) AS name, substr(pair, strpos(pair, '=') + 1) AS value,
      d.datname AS place
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) pair
      LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = {_literal(application)})
  LOOP
    -- The value of a list is a list already.
    EXECUTE format('ALTER ROLE %I %s SET %I TO %s', {_literal(login)},
      CASE WHEN item.place IS NULL THEN '' ELSE format('IN DATABASE %I', item.place) END, item.name,
      CASE WHEN item.name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
        'session_preload_libraries') AND item.value <> '' THEN item.value ELSE quote_literal(item.value) END);
  END LOOP;
END $$;
ALTER ROLE {second} SET role = {_literal(application)};
ALTER ROLE {second} LOGIN PASSWORD :'application_password' VALID UNTIL 'infinity';"""


def _create(role: str) -> str:
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(role)}) "
        f"THEN CREATE ROLE {_identifier(role)}; END IF; END $$;"
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
