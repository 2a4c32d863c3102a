"""A server that was deployed by hand, with a Compose file as they are in the wild, is adopted.

It has container names, its database's password in the file, an api that migrates when it
starts and publishes its own port, and a superuser, a volume and a network of its own names.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer

pytestmark = [pytest.mark.e2e, pytest.mark.database]

WILD = """\
name: homeguru
services:
  postgres:
    image: localhost:5000/library/postgres:16
    container_name: sunko_postgres
    restart: always
    environment: { POSTGRES_USER: sunko, POSTGRES_PASSWORD: in-the-file, POSTGRES_DB: homeguru }
    volumes: [pgdata:/var/lib/postgresql/data]
    ports: ["127.0.0.1:5432:5432"]
    networks: [sunko]
    healthcheck: { test: [CMD, pg_isready, -h, 127.0.0.1, -U, sunko], interval: 1s, retries: 30 }
  api:
    image: sunko-api:latest
    container_name: sunko_api
    restart: always
    command: [sh, -c, "alembic upgrade head && exec uvicorn src.api.main:app --host 0.0.0.0 --port 8000"]
    env_file: [app.env]
    environment: { DATABASE_URL: "postgresql+asyncpg://sunko:in-the-file@sunko_postgres:5432/homeguru" }
    ports: ["8003:8000"]
    networks: [sunko]
    depends_on: { postgres: { condition: service_healthy } }
  frontend:
    image: sunko-frontend:latest
    container_name: sunko_frontend
    restart: always
    ports: ["3003:3000"]
    networks: [sunko]
  bot:
    image: sunko-bot:latest
    container_name: sunko_bot
    restart: always
    env_file: [app.env]
    environment: { DATABASE_URL: "postgresql+asyncpg://sunko:in-the-file@sunko_postgres:5432/homeguru" }
    networks: [sunko]
    depends_on: { postgres: { condition: service_healthy } }
networks:
  sunko:
volumes:
  pgdata:
    name: sunko_pgdata
"""
PSQL = "docker exec sunko_postgres psql -U sunko -d homeguru -XAtqc"


@contextmanager
def registry_there(world: World) -> Iterator[None]:
    """The registry on the server, under the name that a deploy gives it too."""
    info = world.info
    known = world.state / "by_hand_known_hosts"
    known.write_text(f"tunnel {info.host_key}\n")
    words = ["ssh", "-F", "none", "-N", "-i", str(info.ssh_key), "-p", str(info.ssh_port)]
    for option in (
        "HostKeyAlias=tunnel", f"UserKnownHostsFile={known}", "BatchMode=yes",
        "StrictHostKeyChecking=yes", "ExitOnForwardFailure=yes",
    ):  # fmt: skip
        words += ["-o", option]
    forward = f"5000:{info.registry}"
    tunnel = subprocess.Popen([*words, "-R", forward, f"{info.ssh_user}@127.0.0.1"])
    try:
        time.sleep(2)
        yield
    finally:
        tunnel.terminate()
        tunnel.wait(10)


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("adopt", tmp_path_factory.mktemp("adopt"), f"{prefect}/api") as found:
        yield found


@pytest.fixture(scope="module")
def by_hand(world: World) -> World:
    """The wild Compose file, up on the server, with a thousand rows."""
    built = world.ok("publish", "--env", "sandbox", "--source", str(world.repository))
    with registry_there(world):
        pulls = ["docker pull -q localhost:5000/library/postgres:16"]
        for name in ("api", "frontend", "bot"):
            image = built["services"][name]
            reference = f"localhost:5000/{image['repository']}@{image['digest']}"
            pulls += [f"docker pull -q {reference}", f"docker tag {reference} sunko-{name}:latest"]
        world.on_server("\n".join(["set -e", *pulls]))
    secrets = (world.environments / "sandbox.secrets.env").read_text()
    plain = f"{secrets}TELEGRAM_API_URL={world.info.telegram_url}\n"
    world.on_server(
        f"cat > docker-compose.yml <<'EOF'\n{WILD}EOF\ncat > app.env <<'EOF'\n{plain}EOF\n"
        "docker compose up -d --wait --wait-timeout 120 && "
        f"{PSQL} \"INSERT INTO messages (text) SELECT 'by hand ' || n FROM generate_series(1, 1000) n\""
    )
    assert wait_for(lambda: world.version() == "v1")
    return world


def wait_for(what, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if what():
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    return False


def rows(world: World, like: str = "by hand %") -> int:
    """Rows by that name, as whatever database runs now says."""
    return int(world.on_server(
        "docker exec $(docker ps -q --filter label=com.docker.compose.service=postgres "
        "--filter label=com.docker.compose.project=homeguru) "
        f"psql -U sunko -d homeguru -XAtqc \"SELECT count(*) FROM messages WHERE text LIKE '{like}'\""
    ))  # fmt: skip


def ids(world: World) -> str:
    return world.on_server("docker ps -q --no-trunc | sort")


class Silence:
    """The longest time without an answer, asked from outside."""

    def __init__(self, url: str) -> None:
        self._url, self.longest, self._on = url, 0.0, True
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Silence:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()

    def _ask(self) -> None:
        last = time.monotonic()
        while self._on:
            try:
                if httpx.get(self._url, timeout=2, trust_env=False).status_code == 200:
                    self.longest = max(self.longest, time.monotonic() - last)
                    last = time.monotonic()
            except httpx.HTTPError:
                pass
            time.sleep(0.02)


def test_a_deploy_refuses_what_was_deployed_by_hand(by_hand: World) -> None:
    before = ids(by_hand)
    ended = by_hand.homeguru("deploy", "--env", "sandbox")
    assert ended.code == 3, ended.stderr
    assert "project homeguru was deployed by hand: api, bot, frontend, postgres" in ended.stderr
    assert "homeguru adopt --env sandbox" in ended.stderr
    assert ids(by_hand) == before


def test_adopt_says_which_variables_the_environment_lacks(by_hand: World) -> None:
    ended = by_hand.homeguru("adopt", "--env", "sandbox")
    assert ended.code == 3, ended.stderr
    assert "speaks of another database than runs" in ended.stderr
    assert 'POSTGRES_VOLUME = "sunko_pgdata"' in ended.stderr
    assert 'DATABASE_SUPERUSER = "sunko"' in ended.stderr
    by_hand.set_variable("POSTGRES_VOLUME", "sunko_pgdata")
    by_hand.set_variable("DATABASE_SUPERUSER", "sunko")


def test_adopting_touches_nothing_and_is_release_0(by_hand: World) -> None:
    before = ids(by_hand)
    shown = by_hand.homeguru("adopt", "--env", "sandbox", "--dry-run")
    assert shown.code == 0, shown.stderr
    assert "port 8003 moves from api to the edge" in shown.stdout
    found = by_hand.ok("adopt", "--env", "sandbox")
    assert found["release"] == "0-adopted"
    (line,) = by_hand.ledger()
    assert (line["seq"], line["verb"], line["outcome"]) == (0, "adopt", "ok")
    assert line["revision"] == {"before": "a1b2c3d40002", "after": "a1b2c3d40002"}
    assert ids(by_hand) == before
    assert by_hand.ok("status", "--env", "sandbox")["release"] == "0-adopted"
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0
    again = by_hand.homeguru("adopt", "--env", "sandbox")
    assert again.code == 3 and "nothing to adopt" in again.stderr
    assert "in-the-file" not in by_hand.on_server(
        "cat releases.jsonl releases/0-adopted/manifest.json"
    )


def test_a_first_deploy_that_fails_leaves_it_as_it_was(by_hand: World) -> None:
    broken = {"src/api/main.py": ('@app.get("/health")', '@app.get("/unwell")')}
    with by_hand.broken(broken, "no health"):
        by_hand.ok("publish", "--env", "sandbox", "--source", str(by_hand.repository))
        ended = by_hand.homeguru("deploy", "--env", "sandbox")
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "runs 0-adopted as before" in ended.stderr
    names = by_hand.on_server("docker ps --format '{{.Names}}' | sort").split()
    assert names == ["sunko_api", "sunko_bot", "sunko_frontend", "sunko_postgres"]
    assert wait_for(lambda: by_hand.version() == "v1")
    assert rows(by_hand) == 1000
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0


def test_the_first_deploy_moves_the_ports_and_keeps_the_rows(by_hand: World) -> None:
    revision = by_hand.add_migration("chairs", "CREATE TABLE chairs (id int)", "DROP TABLE chairs")
    by_hand.edit({"src/version.py": ('"v1"', '"v2"')}, "v2")
    by_hand.ok("publish", "--env", "sandbox", "--source", str(by_hand.repository))
    with Silence(by_hand.info.api_url) as api, Silence(by_hand.info.frontend_url) as page:
        found = by_hand.ok("deploy", "--env", "sandbox")
    steps = [s["step"] for s in found["steps"]]
    assert "back up database" in steps and "hand over ports" in steps
    assert by_hand.version() == "v2"
    assert found["database_revision"] == revision
    assert rows(by_hand) == 1000
    said = by_hand.on_server("cat journal/*.jsonl | tail -n 1")
    assert '"event":"end"' in said
    published = by_hand.on_server(
        "docker ps --format '{{.Names}} {{.Ports}}' | grep -E '8003->|3003->'"
    )
    assert published.count("\n") == 0 and published.startswith("homeguru-edge-1")
    say(
        f"ports moved: api silent for {api.longest:.2f} s, page {page.longest:.2f} s, seen from outside"
    )
    assert by_hand.ok("deploy", "--env", "sandbox")["changed"] is False


def test_keep_is_refused_and_restore_brings_release_0_back(by_hand: World) -> None:
    url = f"{by_hand.info.api_url}/messages"
    assert httpx.post(url, json={"text": "later"}, trust_env=False).status_code == 201
    kept = by_hand.homeguru("rollback", "--env", "sandbox", "0-adopted")
    assert kept.code == 3, kept.stdout + kept.stderr
    assert "may migrate when it starts: it knows revision a1b2c3d40002" in kept.stderr
    found = by_hand.ok(
        "rollback", "--env", "sandbox", "0-adopted", "--database", "restore",
        "--approve", "the new one is not wanted",
    )  # fmt: skip
    assert found["release"] == "0-adopted"
    assert wait_for(lambda: by_hand.version() == "v1")
    assert rows(by_hand) == 1000
    assert rows(by_hand, "later") == 0
    names = by_hand.on_server("docker ps --format '{{.Names}}' | sort").split()
    assert names == ["sunko_api", "sunko_bot", "sunko_frontend", "sunko_postgres"]
    assert by_hand.on_server("ls compose.yml 2>/dev/null || echo none") == "none"
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0


def test_and_forward_again(by_hand: World) -> None:
    found = by_hand.ok("deploy", "--env", "sandbox")
    assert by_hand.version() == "v2"
    assert "hand over ports" in [s["step"] for s in found["steps"]]
    assert rows(by_hand) == 1000
    assert [x["outcome"] for x in by_hand.ledger()] == ["ok", "undone", "ok", "ok", "ok"]


def write(world: World, text: str) -> None:
    """A row that is acknowledged."""
    url = f"{world.info.api_url}/messages"
    assert wait_for(
        lambda: httpx.post(url, json={"text": text}, trust_env=False).status_code == 201
    )


def test_a_rollback_to_release_0_that_fails_is_undone(by_hand: World) -> None:
    """Its containers hold the edge's ports by then."""
    write(by_hand, "before it failed")
    failing = Deployer(by_hand, "rollback", "verify", "0-adopted restore")
    assert failing.stands("verify"), failing.text
    assert by_hand.version() == "v1"
    by_hand.on_server("docker stop -t 1 sunko_bot")
    failing.go()
    assert failing.end() == 1, failing.text
    assert '"step":"free ports"' in by_hand.on_server("cat journal/*.jsonl")
    assert by_hand.version() == "v2"
    assert (rows(by_hand), rows(by_hand, "before it failed")) == (1000, 1)
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0


def test_what_release_0_wrote_after_a_killed_rollback_is_kept(by_hand: World) -> None:
    killed = Deployer(by_hand, "rollback", "verify", "0-adopted restore")
    assert killed.stands("verify"), killed.text
    killed.kill()
    write(by_hand, "since then")
    ended = by_hand.homeguru(
        "rollback", "--env", "sandbox", "0-adopted", "--database", "restore",
        "--approve", "the new one is not wanted",
    )  # fmt: skip
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "its database is in use: on to 0-adopted first" in ended.stdout
    assert by_hand.version() == "v1"
    assert (rows(by_hand), rows(by_hand, "since then")) == (1000, 1)
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0


def test_what_was_written_once_the_ports_moved_is_kept(by_hand: World) -> None:
    """The deploy sets the database aside, and is killed once people reach its release."""
    by_hand.add_migration("no_text", "ALTER TABLE messages DROP COLUMN IF EXISTS no_such_column")
    by_hand.edit({"src/version.py": ('"v2"', '"v3"')}, "v3")
    killed = Deployer(by_hand, "deploy", "replace bot", by_hand.publish())
    assert killed.stands("replace bot"), killed.text
    assert {"set database aside", "hand over ports"} <= set(killed.steps)
    killed.kill()
    assert by_hand.version() == "v3"
    write(by_hand, "through the edge")
    ended = by_hand.homeguru("deploy", "--env", "sandbox")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "its database is in use: on to" in ended.stdout
    assert by_hand.version() == "v3"
    assert (rows(by_hand), rows(by_hand, "through the edge")) == (1000, 1)
    assert by_hand.homeguru("verify", "--env", "sandbox").code == 0
