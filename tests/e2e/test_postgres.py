"""Scripts about the database, by a real PostgreSQL in a container of this machine's engine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.environment.schema import Environment, parse_environment
from deployments.host.script_results import Channel
from deployments.shell import backup, database, exchange
from deployments.shell.postgres import On
from deployments.shell.prelude import prelude
from infra.engine.client import docker

pytestmark = pytest.mark.e2e
PROJECT = f"hgtest-postgres-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
ON = On("postgres", "postgres", "my app")
OWNER = ("my owner", "OWNER_PASSWORD")
DESCRIBED = '{"id":"@ID@","server":"@SERVER@","bytes":"@BYTES@","sha256":"@SHA256@","contents":"@CONTENTS@"}'


class Server:
    """A PostgreSQL, and scripts that are run as a host's bash runs them."""

    def __init__(self, environment: Environment, directory: Path) -> None:
        self.environment, self.directory = environment, directory

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        head = f"export HOMEGURU_RUN=run-1\n{prelude(self.environment)}channel=n\n"
        return subprocess.run(
            ["bash", "-c", head + text], capture_output=True, text=True, check=False
        )

    def ok(self, text: str) -> str:
        done = self.run(text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, query: str, database: str = ON.name, user: str = "postgres") -> str:
        command = ("psql", "-U", user, "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1")
        return docker("exec", f"{PROJECT}-postgres", *command, "-c", query).strip()

    def roles(self) -> None:
        """As every release prepares them."""
        script = database.prepare_roles(
            "postgres", "postgres", ON.name, OWNER, ("app", "APP_PASSWORD")
        )
        self.ok(script.text)

    def back_up(self, trial: str = "") -> str:
        """A backup's id; with `trial` the SQL is tried on it."""
        (self.directory / "trial.sql").write_text(trial)
        verify, file = ("restore", "trial.sql") if trial else ("list", "")
        done = self.run(backup.back_up(ON, DESCRIBED, verify, 60, file, OWNER).text)
        if done.returncode:
            raise RuntimeError(done.stderr)
        (result,) = Channel("n").split(done.stdout)[1]
        return result.words[0]

    def restore(self, name: str, extensions: dict[str, str]) -> None:
        """Put a backup in the database's place, as a rollback does."""
        digest = subprocess.run(
            ["sha256sum", self.directory / "backups" / f"{name}.dump"],
            capture_output=True, text=True, check=True,
        ).stdout.split()[0]  # fmt: skip
        self.ok(exchange.restore(ON, name, digest, "0001", 60, extensions).text)


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    name = f"{PROJECT}-postgres"
    subprocess.run(["docker", "rm", "-fv", name], capture_output=True, check=False)
    docker(
        "run", "-d", "--name", name, "-e", "POSTGRES_PASSWORD=super", "-e", "POSTGRES_DB=my app",
        "--label", f"com.docker.compose.project={PROJECT}",
        "--label", "com.docker.compose.service=postgres",
        "--label", "com.docker.compose.oneoff=False", "postgres:16",
    )  # fmt: skip
    data = {
        "v": 1, "project": PROJECT, "directory": str(directory), "push_registry": "localhost:5000",
        "pull_registry": "localhost:5000", "repository": "acme/{service}",
        "host": {"address": "h", "user": "deploy", "key_file": "id", "host_keys": []},
    }  # fmt: skip
    (directory / "secrets.env").write_text("OWNER_PASSWORD='o w'\nAPP_PASSWORD='a'\n")
    try:
        deadline = time.monotonic() + 60
        ready = ("exec", name, "pg_isready", "-h", "127.0.0.1")
        while subprocess.run(["docker", *ready], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = Server(parse_environment("e", data, "e.toml"), directory)
        found.roles()
        yield found
    finally:
        subprocess.run(["docker", "rm", "-fv", name], capture_output=True, check=False)


# -- a migration's SQL that is tried on a restored copy ---------------------------------


@pytest.fixture
def table(server: Server) -> Iterator[None]:
    server.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)", user=OWNER[0])
    yield
    server.sql("DROP TABLE t", user=OWNER[0])
    time.sleep(1)  # A backup's name is its second.


def test_what_works_is_tried_and_leaves_the_database_as_it_was(server: Server, table) -> None:
    server.back_up("BEGIN;\nALTER TABLE t ADD COLUMN note text;\nCOMMIT;\n")
    assert server.sql("SELECT count(*) FROM pg_attribute WHERE attname = 'note'") == "0"
    assert "my app_drill" not in server.sql("SELECT datname FROM pg_database")


@pytest.mark.parametrize(
    "sql",
    [
        r"\! touch /tmp/escaped", "SELECT 1; \\! touch /tmp/escaped",
        "\\c \"my app\"\nDROP TABLE t;", "\\unrestrict 00\n\\! touch /tmp/escaped",
        "COPY t TO PROGRAM 'touch /tmp/escaped';", "ALTER ROLE \"my owner\" SUPERUSER;",
        "SET ROLE postgres; DROP DATABASE \"my app\";", "CREATE ROLE evil SUPERUSER;",
    ],
)  # fmt: skip
def test_what_an_image_wrote_is_no_superusers_and_no_command_of_psql(
    server: Server, table, sql: str
) -> None:
    with pytest.raises(RuntimeError, match="does not work on a restored copy"):
        server.back_up(sql)
    assert docker("exec", f"{PROJECT}-postgres", "sh", "-c", "ls /tmp").find("escaped") == -1
    assert server.sql("SELECT count(*) FROM t") == "1"
    assert server.sql("SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper") == "postgres"


def test_a_backslash_in_a_text_is_none_of_its_commands(server: Server, table) -> None:
    server.back_up("INSERT INTO t SELECT length('a\\b');\nSELECT E'\\n'")


# -- whose everything is after a restore --------------------------------------------------

AS_SUPERUSER = """
GRANT CREATE ON DATABASE "my app" TO "my owner"; COMMENT ON DATABASE "my app" IS 'it''s ours';
CREATE SCHEMA tools AUTHORIZATION "my owner"; ALTER SCHEMA public OWNER TO "my owner";
CREATE EXTENSION ltree; CREATE ROLE reader; CREATE ROLE writer;
"""
AS_OWNER = """
CREATE EXTENSION pg_trgm; CREATE EXTENSION citext WITH SCHEMA tools;
CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
CREATE TABLE kept (id bigint GENERATED BY DEFAULT AS IDENTITY, name tools.citext, mood mood);
CREATE SEQUENCE counter; CREATE VIEW named AS SELECT name FROM kept;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC; GRANT EXECUTE ON FUNCTION twice TO reader;
GRANT SELECT (id) ON kept TO reader WITH GRANT OPTION; GRANT USAGE ON SEQUENCE counter TO writer;
GRANT USAGE ON TYPE mood TO writer; GRANT USAGE ON SCHEMA tools TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA tools GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE PUBLICATION changes FOR TABLE kept; CREATE INDEX near ON kept USING gin (name public.gin_trgm_ops);
SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO reader;
INSERT INTO kept (name, mood) VALUES ('Anna', 'good');
"""
EXTENSIONS = "SELECT string_agg(extname || ':' || pg_get_userbyid(extowner), ' ' ORDER BY extname) FROM pg_extension"
DATABASE = """SELECT datdba::regrole, (SELECT array_agg(a ORDER BY a::text) FROM unnest(datacl) a),
  shobj_description(oid, 'pg_database')
  FROM pg_database WHERE datname = 'my app'"""
WRITTEN_DOWN = """SELECT count(*) FROM pg_shdepend d JOIN pg_extension e ON e.oid = d.objid
  WHERE d.classid = 'pg_extension'::regclass AND d.refobjid = e.extowner AND d.deptype = 'o'
  AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def whose(server: Server) -> list[str]:
    """Every object with its owner, grants and default privileges, and what a dump leaves out."""
    dumped = docker(
        "exec", f"{PROJECT}-postgres", "pg_dump", "-U", "postgres", "-d", ON.name, "--schema-only"
    )
    objects = [line for line in dumped.splitlines() if "restrict " not in line]
    large = "SELECT lomowner::regrole, lomacl FROM pg_largeobject_metadata WHERE oid = 4711"
    return [*objects, *(server.sql(q) for q in (EXTENSIONS, DATABASE, WRITTEN_DOWN, large))]


def test_after_a_restore_everything_is_whose_it_was(server: Server) -> None:
    """The extension was the superuser's, and the owner's next migration could not alter it."""
    server.sql(AS_SUPERUSER)
    server.sql(AS_OWNER, user=OWNER[0])
    before = whose(server)
    owners = {
        "citext": "my owner",
        "pg_trgm": "my owner",
        "ltree": "postgres",
        "plpgsql": "postgres",
    }
    name = server.back_up()
    described = json.loads((server.directory / "backups" / f"{name}.json").read_text())
    assert described["contents"]["extensions"] == owners
    # What is there now is no witness: one of them is gone meanwhile.
    server.sql("DROP INDEX near; DROP EXTENSION pg_trgm", user=OWNER[0])
    server.restore(name, owners)
    assert whose(server) == before
    assert "pg_trgm:my owner" in server.sql(EXTENSIONS)
    # The owner's next migration, and one after the next restore.
    server.sql("ALTER EXTENSION pg_trgm UPDATE; ALTER TYPE mood ADD VALUE 'bad'", user=OWNER[0])
    server.sql("DROP INDEX near; DROP EXTENSION pg_trgm; CREATE EXTENSION pg_trgm", user=OWNER[0])
    assert server.sql("SELECT name FROM kept") == "Anna"


def test_a_backup_that_knows_no_owners_takes_those_of_the_database_that_is_there(
    server: Server,
) -> None:
    name = server.back_up()
    before = server.sql(EXTENSIONS)
    server.restore(name, {})
    assert server.sql(EXTENSIONS) == before
    assert "citext:my owner" in before


def test_a_role_that_is_gone_keeps_no_restore_from_being_made(server: Server) -> None:
    time.sleep(1)
    name = server.back_up()
    server.restore(name, {"citext": "who left"})
    assert "citext:postgres" in server.sql(EXTENSIONS)


def test_what_another_role_made_in_a_volume_of_before_becomes_the_owners(server: Server) -> None:
    """Run by hand, an application is the superuser: a later migration adds to its enumerations."""
    server.sql(
        "CREATE TYPE kind AS ENUM ('a'); CREATE DOMAIN word AS text; CREATE TABLE things (kind kind);"
        "CREATE TYPE pair AS (a int, b int); CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int);"
        "CREATE FUNCTION thrice(n int) RETURNS int LANGUAGE sql AS 'SELECT 3 * n';"
        "CREATE FUNCTION as_maker() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';"
    )
    server.roles()
    server.roles()
    server.sql(
        "ALTER TYPE kind ADD VALUE 'b'; ALTER DOMAIN word SET NOT NULL; DROP TABLE things;"
        "DROP FUNCTION thrice; DROP AGGREGATE total (int); ALTER TYPE pair ADD ATTRIBUTE c int",
        user=OWNER[0],
    )
    made_by = "SELECT proowner::regrole FROM pg_proc WHERE proname = 'as_maker'"
    assert server.sql(made_by) == "postgres"
    members = "SELECT count(*) FROM pg_proc WHERE proname = 'similarity' AND proowner = 10"
    assert server.sql(members) == "1"
