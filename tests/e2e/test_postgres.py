"""Scripts about the database, by a real PostgreSQL in a container of this machine's engine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.commands import backup, database, exchange
from deployments.commands.postgres import On
from deployments.commands.prelude import prelude
from deployments.environment import Environment, parse_environment
from deployments.results import Channel
from infra.sandbox.client import docker

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

    def restore(self, name: str) -> None:
        """Put a backup in the database's place, as a rollback does."""
        digest = subprocess.run(
            ["sha256sum", self.directory / "backups" / f"{name}.dump"],
            capture_output=True, text=True, check=True,
        ).stdout.split()[0]  # fmt: skip
        self.ok(exchange.restore(ON, name, digest, "0001", 60).text)


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
