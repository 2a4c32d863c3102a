"""What an image gets that a plan asks for the SQL of its migrations: by a real engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.compose.stack import Process
from deployments.database import sql_container
from deployments.environment.schema import parse_environment
from deployments.host.observation import sections
from deployments.shell import database
from deployments.shell.prelude import prelude

pytestmark = pytest.mark.e2e
PROJECT = f"hgtest-sql-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
SECRET = "kq7-very-secret-kq7"
LOOK = """
import json, os, socket, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def write(path):
    try:
        open(path + "/x", "w").write("x")
    except OSError as error:
        return error.errno
def reach(where):
    try:
        socket.create_connection(where, timeout=2)
    except OSError as error:
        return type(error).__name__
print(json.dumps({
    "environment": dict(os.environ), "interfaces": sorted(os.listdir("/sys/class/net")),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]), "root": write("/"), "code": write(os.getcwd()),
    "tmp": write("/tmp"), "volume": write("/data"), "dns": reach(("postgres", 5432)),
    "address": reach(("1.1.1.1", 53)), "arguments": sys.argv[1:],
}))
"""
PROCESS = Process(
    {"working_dir": "/srv"},
    {
        "DATABASE_URL": "postgresql+asyncpg://owner:${OWNER_PASSWORD}@postgres:5432/app",
        "WHOLE_URL": "${WHOLE_URL}", "BY_HAND": "postgresql://postgres:postgres@db/app",
        "TOKEN": "${TOKEN}", "MODE": "${MODE:-real}",
    },
    ("/data",),
)  # fmt: skip


@pytest.fixture
def asked(engine, tmp_path: Path):
    """Ask a container of python's image by a command; the answer's sections."""
    data = {
        "v": 1, "project": PROJECT, "directory": str(tmp_path), "push_registry": "localhost:5000",
        "pull_registry": "localhost:5000", "repository": "acme/{service}",
        "host": {"address": "h", "user": "deploy", "key_file": "id", "host_keys": []},
    }  # fmt: skip
    environment = parse_environment("sql", data, "sql.toml")

    def ask(*command: str) -> dict[str, str]:
        incoming = tmp_path / ".plan-t1"
        incoming.mkdir(exist_ok=True)
        image = "python:3.11-slim"
        secrets = {
            "OWNER_PASSWORD": SecretStr(SECRET), "TOKEN": SecretStr(f"7712:{SECRET}"),
            "WHOLE_URL": SecretStr(f"postgresql+psycopg://u:{SECRET}@db.example/app"),
        }  # fmt: skip
        (incoming / "sql.yml").write_text(sql_container.compose_file(PROCESS, image))
        (incoming / "sql.env").write_text(sql_container.env_file({"MODE": "mock"}, secrets))
        text = prelude(environment) + database.print_sql(".plan-t1", command).text
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert list(incoming.iterdir()) == []
        left = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert left.stdout == ""
        return sections(done.stdout)

    return ask


def test_it_has_no_secret_no_network_and_no_privilege(asked) -> None:
    answer = asked("python", "-c", LOOK, "0001:head")
    assert answer["code"].strip() == "0", answer["said"]
    found = json.loads(answer["sql"])
    given = found["environment"]
    assert SECRET not in answer["sql"]
    assert given["DATABASE_URL"].startswith("postgresql+asyncpg://")
    assert given["WHOLE_URL"] == "postgresql+psycopg://dummy:dummy@localhost/dummy"
    assert given["BY_HAND"] == "postgresql://dummy:dummy@localhost/dummy"
    assert given["MODE"] == "mock"
    assert found["interfaces"] == ["lo"]
    assert (found["capabilities"], found["no_new_privileges"]) == (0, 1)
    assert (found["root"], found["code"], found["tmp"], found["volume"]) == (30, 30, None, None)
    assert found["dns"] and found["address"]
    assert found["arguments"] == ["0001:head"]


def test_one_that_does_not_end_is_ended(asked, monkeypatch) -> None:
    monkeypatch.setattr(database, "LIMIT", 2)
    trap = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    assert asked("python", "-c", trap)["code"].strip() == "124"


def test_what_never_ends_is_no_sql(asked, monkeypatch) -> None:
    """A statement behind the last one that is read would never be reviewed."""
    monkeypatch.setattr(database, "MOST", 100_000)
    answer = asked("python", "-c", "for n in range(10000): print('SELECT 1;' * 10)")
    assert answer["code"].strip() == "toomuch"
    exact = asked("python", "-c", "import sys; sys.stdout.write('x' * 100000)")
    assert (exact["code"].strip(), len(exact["sql"])) == ("0", 100_000)


def test_why_there_is_none_is_its_own_last_words(asked) -> None:
    answer = asked("python", "-c", "import sys; sys.exit('Can\\'t locate revision 0009')")
    assert (answer["code"].strip(), answer["said"].strip()) == ("1", "Can't locate revision 0009")
