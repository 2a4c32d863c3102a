"""An application that is not HomeGuru: its Compose file, an environment, and no line of code.

Two web services, a worker, Redis with a volume, no database of SQL, and an entrypoint that
brings its data up to date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import ROOT, World, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.database]
SECOND = ROOT / "tests" / "second"

ENVIRONMENT = """\
v = 1
description = "another application"
project = "second"
directory = "/opt/systech/sunko"
compose = "{compose}"
push_registry = "{registry}"
pull_registry = "localhost:5000"
repository = "acme/second-{{service}}"
healthy_within = 30
[host]
address = "127.0.0.1"
port = {ssh_port}
user = "{ssh_user}"
key_file = "{ssh_key}"
host_keys = ["{host_key}"]
tunnel_registry = true
[variables]
GREETING = "hello"
[secrets]
names = ["SESSION_KEY"]
[images]
edge = "localhost:5000/library/haproxy:3.0"
[urls]
web = "{api_url}"
admin = "{frontend_url}"
[need]
disk_mb = 1024
[watch]
every = 0
"""


@pytest.fixture(scope="module")
def second(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The application in a repository of its own, and an environment for it on a server."""
    place = tmp_path_factory.mktemp("second")
    with world_of_its_own("second", place, f"{prefect}/api", SECOND) as found:
        info = found.info
        text = ENVIRONMENT.format(
            compose=found.repository / "deploy" / "compose.yml", registry=info.registry,
            ssh_port=info.ssh_port, ssh_user=info.ssh_user, ssh_key=info.ssh_key,
            host_key=info.host_key, api_url=info.api_url, frontend_url=info.frontend_url,
        )  # fmt: skip
        (found.environments / "second.toml").write_text(text)
        yield found


def ok(second: World, *words: str) -> dict:
    return second.ok(*words, "--env", "second", SESSION_KEY="not-told-to-anybody")


def release(second: World) -> dict:
    return ok(second, "release", "--source", str(second.repository))


def says(second: World, path: str = "/") -> dict:
    return httpx.get(f"{second.info.api_url}{path}", trust_env=False).json()


def test_it_is_released(second: World) -> None:
    found = release(second)
    assert found["database_revision"] is None
    assert says(second) == {"version": "one", "greeting": "hello"}
    assert httpx.get(second.info.frontend_url, trust_env=False).text == "admin one\n"
    assert [says(second, "/count")["count"] for _ in range(3)] == [1, 2, 3]
    assert ok(second, "deploy")["changed"] is False


def test_a_second_release_replaces_what_changed_and_keeps_the_data(second: World) -> None:
    second.edit({"admin/app.py": ('VERSION = "one"', 'VERSION = "two"')}, "two")
    found = release(second)
    steps = [s["step"] for s in found["steps"]]
    assert "replace admin" in steps and "replace web" not in steps
    assert httpx.get(second.info.frontend_url, trust_env=False).text == "admin two\n"
    assert says(second, "/count")["count"] == 4


def test_a_release_that_never_gets_ready_is_undone(second: World) -> None:
    broken = {"web/server.js": ("await ask('PING')", "throw new Error('never ready')")}
    with second.broken(broken, "broken"):
        words = ("release", "--env", "second", "--source", str(second.repository))
        ended = second.homeguru(*words, SESSION_KEY="not-told-to-anybody")
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "web" in ended.stderr and "as before" in ended.stderr
    assert "not-told-to-anybody" not in ended.stdout + ended.stderr
    assert says(second, "/count")["count"] == 5


def test_it_goes_back_by_number(second: World) -> None:
    found = ok(second, "rollback", "1")
    assert found["release"].startswith("1-second-sha-")
    assert httpx.get(second.info.frontend_url, trust_env=False).text == "admin one\n"
    assert says(second, "/count")["count"] == 6
    assert second.homeguru("verify", "--env", "second", SESSION_KEY="x").code == 0


def audited(second: World) -> str:
    """What `audit verify` complains of; empty when all fits."""
    ended = second.homeguru("audit", "verify", "--env", "second", SESSION_KEY="x")
    assert ended.code in (0, 3), ended.stdout + ended.stderr
    return "" if ended.code == 0 else ended.stderr


def test_the_audit_finds_what_was_done_behind_it(second: World) -> None:
    assert audited(second) == ""
    keep = "cp releases.jsonl kept.jsonl"
    changes = {
        'sed -i \'2s/"who":"/"who":"x/\' releases.jsonl': "line 3 of the ledger does not fit",
        "sed -i 2d releases.jsonl": "line 2 of the ledger does not fit",
        "sed -i '$d' releases.jsonl; echo 9-second-sha-0123456789ab > current": "no line of the ledger names",
    }
    for script, said in changes.items():
        second.on_server(f"{keep}; cp current kept; {script}")
        assert said in audited(second)
        second.on_server("mv kept.jsonl releases.jsonl; mv kept current")
    second.on_server(
        "image=$(sed -n \"s/^WEB_IMAGE='\\(.*\\)'/\\1/p\" .env) && ADMIN_IMAGE=$image docker compose "
        "-p second --env-file .env --env-file secrets.env up -d --no-deps --force-recreate admin"
    )
    said = audited(second)
    assert "admin drift: runs" in said
    ok(second, "rollback", "2")
    assert audited(second) == ""


def refused(second: World, *words: str) -> str:
    ended = second.homeguru(*words, "--env", "second", SESSION_KEY="not-told-to-anybody")
    assert ended.code == 3, ended.stdout + ended.stderr
    return ended.stderr


def change(second: World, before: str, after: str) -> None:
    file = second.environments / "second.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_another_environment_does_not_take_its_project(second: World) -> None:
    text = (second.environments / "second.toml").read_text()
    second.on_server("mkdir -p /tmp/third")
    (second.environments / "third.toml").write_text(
        text.replace("/opt/systech/sunko", "/tmp/third")
    )
    before = second.on_server("docker ps -q | sort")
    for words in (("adopt",), ("plan", "newest"), ("deploy", "newest")):
        ended = second.homeguru(*words, "--env", "third", SESSION_KEY="x")
        if words == ("adopt",):
            assert ended.code == 3, ended.stdout + ended.stderr
            assert "Compose project second is environment second's" in ended.stderr
        assert ended.code != 0
        assert "deployed by hand" not in ended.stderr
    assert second.on_server("docker ps -q | sort") == before


def test_its_project_is_renamed_and_its_data_stays(second: World) -> None:
    count, release = says(second, "/count")["count"], ok(second, "status")["release"]
    manifest = release.partition("-")[2]
    change(second, 'project = "second"', 'project = "renamed"')
    told = refused(second, "deploy", manifest)
    assert "is deployed as Compose project second, and its file names project renamed" in told
    assert "give volume data of the Compose file `name: second_data`" in told
    assert says(second, "/count")["count"] == count + 1
    compose = second.repository / "deploy" / "compose.yml"
    compose.write_text(
        compose.read_text().replace("\n  data:\n", "\n  data: { name: second_data }\n")
    )
    (command,) = re.findall(r"docker ps -aq .* docker rm -f", refused(second, "deploy", manifest))
    second.on_server(command)
    ok(second, "deploy", manifest)
    assert says(second, "/count")["count"] == count + 2
    assert second.on_server("cat .project").strip() == "renamed"
    assert ok(second, "deploy", manifest)["changed"] is False


def test_a_rollback_to_a_release_whose_secret_is_gone_is_refused(second: World) -> None:
    """It ran with nothing in its place, and said that all was well."""
    running = ok(second, "status")["release"]
    change(second, 'names = ["SESSION_KEY"]', "names = []")
    compose = second.repository / "deploy" / "compose.yml"
    compose.write_text(compose.read_text().replace(', SESSION_KEY: "${SESSION_KEY}"', ""))
    ok(second, "deploy", running.partition("-")[2])
    before = second.on_server("docker ps -q | sort; wc -l < releases.jsonl")
    told = refused(second, "rollback", running.partition("-")[0])
    assert "needs SESSION_KEY, and environment second has no value for it any more" in told
    assert second.on_server("docker ps -q | sort; wc -l < releases.jsonl") == before
