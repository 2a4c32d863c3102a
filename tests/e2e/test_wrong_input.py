"""Wrong input against a real server: one clear error, the exit code, nothing changed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from infra.engine.client import docker
from tests.e2e.conftest import World

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployed(world) -> str:
    """A release that serves; its manifest's name."""
    found = world.ok("status", "--env", "sandbox")
    if not found["release"]:
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))
        found = world.ok("status", "--env", "sandbox")
    return found["release"].partition("-")[2]


@pytest.fixture
def unchanged(world, deployed) -> Iterator[None]:
    """The server's containers and ledger are the same after the test as before."""
    before = world.containers(), len(world.ledger())
    yield
    assert (world.containers(), len(world.ledger())) == before


def variant(world, **changes: str) -> World:
    """The world with lines of the sandbox's environment changed, in a folder of its own.

    It has the same name: a release belongs to the environment that it was published for.
    """
    text = (world.environments / "sandbox.toml").read_text()
    for key, value in changes.items():
        lines = [f"{key} = {value}" if x.startswith(f"{key} =") else x for x in text.splitlines()]
        assert "\n".join(lines) != text.rstrip(), f"no key {key}"
        text = "\n".join(lines) + "\n"
    folder = world.environments.parent / "variant"
    folder.mkdir(exist_ok=True)
    (folder / "sandbox.toml").write_text(text)
    shutil.copy2(world.environments / "sandbox.secrets.env", folder)
    return replace(world, environments=folder)


def error_of(world, code: int, *words: str) -> str:
    """Run and expect this exit code; the error, without any traceback."""
    ended = world.homeguru(*words)
    assert ended.code == code, ended.stdout + ended.stderr
    assert "Traceback (most recent call last)" not in ended.stderr
    assert "Error: " in ended.stderr
    return ended.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def silent_listener() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        thread = threading.Thread(target=lambda: held.append(server.accept()[0]), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        for connection in held:
            connection.close()


class TestEnvironment:
    def test_unknown(self, world) -> None:
        said = error_of(world, 2, "deploy", "--env", "sandbx")
        assert "no environment 'sandbx'" in said
        assert "choose one of: sandbox" in said

    def test_wrong_type_missing_and_unknown_key_are_named(self, world) -> None:
        text = (world.environments / "sandbox.toml").read_text()
        text = text.replace('project = "homeguru"\n', "").replace("port = ", 'port = "x" #')
        (world.environments / "broken.toml").write_text(f'colour = "red"\n{text}')
        said = error_of(world, 2, "status", "--env", "broken")
        (world.environments / "broken.toml").unlink()
        assert "broken.toml" in said
        for wanted in ("missing key `project`", "unknown key `colour`", "`host.port`"):
            assert wanted in said

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            ("", "secret JWT_SECRET_KEY is empty"),
            ("<make one>", "secret JWT_SECRET_KEY still holds the template's placeholder"),
        ],
    )
    def test_a_variable_that_is_no_value(
        self, world, deployed, unchanged, value: str, sentence: str
    ) -> None:
        ended = world.homeguru("deploy", deployed, "--env", "sandbox", JWT_SECRET_KEY=value)
        assert ended.code == 2
        assert sentence in ended.stderr

    def test_a_secret_that_is_missing(self, world, deployed, unchanged) -> None:
        other = variant(world, names='["POSTGRES_PASSWORD", "NOT_THERE"]')
        said = error_of(other, 2, "deploy", deployed, "--env", "sandbox")
        assert "secret NOT_THERE is missing" in said
        assert "variable TELEGRAM_BOT_TOKEN is missing" in said

    def test_a_secrets_file_that_others_can_read(self, world, deployed) -> None:
        file = world.environments / "sandbox.secrets.env"
        file.chmod(0o644)
        said = error_of(world, 2, "plan", deployed, "--env", "sandbox")
        file.chmod(0o600)
        assert f"chmod 600 {file}" in said


class TestConnection:
    def test_refused(self, world, unchanged) -> None:
        said = error_of(variant(world, port=str(free_port())), 1, "status", "--env", "sandbox")
        assert "cannot connect" in said
        assert "Server: not reached" in said

    def test_time_out(self, world, unchanged) -> None:
        with silent_listener() as port:
            said = error_of(variant(world, port=str(port)), 1, "status", "--env", "sandbox")
        assert "no SSH answer within 15 s" in said

    def test_wrong_user(self, world, unchanged) -> None:
        said = error_of(variant(world, user='"nobody"'), 3, "status", "--env", "sandbox")
        assert "refuses user nobody" in said

    def test_wrong_key(self, world, unchanged, tmp_path: Path) -> None:
        key = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        said = error_of(variant(world, key_file=f'"{key}"'), 3, "status", "--env", "sandbox")
        assert "authorized_keys" in said

    def test_unknown_host_key(self, world, deployed, unchanged) -> None:
        other = variant(world, host_keys="[]")
        for words in (("status",), ("deploy", deployed)):
            said = error_of(other, 3, *words, "--env", "sandbox")
            assert "no host key is pinned" in said
            assert "Server: not contacted" in said

    def test_changed_host_key(self, world, unchanged, tmp_path: Path) -> None:
        key = tmp_path / "host"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        other = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        said = error_of(variant(world, host_keys=f'["{other}"]'), 3, "status", "--env", "sandbox")
        assert "the host key changed: it is not the pinned one" in said


class TestHost:
    def test_too_little_disk(self, world, deployed, unchanged) -> None:
        said = error_of(
            variant(world, disk_mb="999999999"), 3, "deploy", deployed, "--env", "sandbox"
        )
        assert "MiB of disk are free, 999999999 are needed" in said
        assert "unchanged" in said

    def test_too_little_memory(self, world, deployed, unchanged) -> None:
        other = variant(world, memory_mb="999999999")
        assert "MiB of memory are free" in error_of(
            other, 3, "deploy", deployed, "--env", "sandbox"
        )

    def test_a_port_taken_by_something_else(self, world, deployed, unchanged) -> None:
        world.on_server("mkdir -p /tmp/other")
        other = variant(world, project='"another"', directory='"/tmp/other"')
        said = error_of(other, 3, "deploy", deployed, "--env", "sandbox")
        assert "port 8003, which edge publishes, is taken by container homeguru-edge-1" in said

    def test_a_directory_that_is_not_there(self, world, deployed, unchanged) -> None:
        other = variant(world, directory='"/opt/nowhere"')
        said = error_of(other, 1, "deploy", deployed, "--env", "sandbox")
        assert "directory /opt/nowhere does not exist" in said

    def test_no_engine(self, world, deployed) -> None:
        server = world.info.server
        docker("exec", server, "bash", "-c", "mv /usr/bin/docker /usr/bin/docker.away")
        try:
            said = error_of(world, 3, "deploy", deployed, "--env", "sandbox")
        finally:
            docker("exec", server, "bash", "-c", "mv /usr/bin/docker.away /usr/bin/docker")
        assert "there is no Docker engine" in said


class TestRelease:
    def test_unknown_lists_the_nearest(self, world, deployed, unchanged) -> None:
        nearly = deployed[:-1] + ("1" if deployed.endswith("0") else "0")
        said = error_of(world, 2, "deploy", nearly, "--env", "sandbox")
        assert "is published for sandbox" in said
        assert deployed in said

    def test_a_file_that_is_no_manifest(self, world, unchanged, tmp_path: Path) -> None:
        file = tmp_path / "release.json"
        file.write_text(json.dumps({"v": 1}))
        said = error_of(world, 2, "deploy", str(file), "--env", "sandbox")
        assert "not a release manifest" in said

    def test_built_for_another_address(self, world, deployed, unchanged) -> None:
        other = variant(world, NEXT_PUBLIC_API_URL='"http://192.0.2.1:8003"')
        said = error_of(other, 3, "deploy", deployed, "--env", "sandbox")
        assert "was built for another environment" in said
        assert "http://192.0.2.1:8003" in said


class TestSource:
    def test_a_file_that_the_build_needs(self, world, unchanged, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text("[project]\nname='x'\n")
        said = error_of(world, 2, "publish", "--env", "sandbox", "--source", str(tmp_path))
        assert "uv.lock" in said

    def test_uncommitted_changes(self, world, unchanged) -> None:
        file = world.repository / "src" / "version.py"
        text = file.read_text()
        file.write_text(text + "# local\n")
        words = ["publish", "--env", "sandbox", "--source", str(world.repository)]
        said = error_of(world, 3, *words)
        file.write_text(text)
        assert "uncommitted changes" in said
        assert "--allow-dirty" in said

    def test_a_build_that_fails_shows_its_failing_lines(self, world, unchanged) -> None:
        words = ["publish", "--env", "sandbox", "--source", str(world.repository)]
        with world.broken({"frontend/app/package.json": ("{", "{,")}, "no JSON"):
            said = error_of(world, 1, *words)
        assert "the build of frontend failed" in said
        assert "Error parsing /source/frontend/app/package.json" in said
        assert len(said.splitlines()) < 60


class TestRegistry:
    def test_down(self, world, deployed, unchanged) -> None:
        name = world.info.server.replace("-server", "-registry")
        docker("stop", "-t", "1", name)
        try:
            said = error_of(world, 1, "deploy", deployed, "--env", "sandbox")
            published = error_of(
                world, 1, "publish", "--env", "sandbox", "--source", str(world.repository)
            )
        finally:
            docker("start", name)
        assert f"registry {world.info.registry} does not answer" in said
        assert f"registry {world.info.registry} does not answer" in published

    @pytest.mark.parametrize(("service", "left"), [("bot", "as before"), ("api", "unchanged")])
    def test_an_image_that_is_gone(
        self, world, deployed, tmp_path: Path, service: str, left: str
    ) -> None:
        """A digest that the registry does not have: undone; the one that migrates is noticed before."""
        version = world.version()
        found = httpx.get(f"http://{world.info.registry}/v2/_catalog", trust_env=False)
        assert "systech/homeguru-release" in found.json()["repositories"]
        data = json.loads(world.on_server('cat "releases/$(cat current)/manifest.json"'))
        data["services"][service]["digest"] = "sha256:" + "0" * 64
        data["name"] = "sandbox-sha-000000000000"
        file = tmp_path / "gone.json"
        file.write_text(json.dumps(data))
        said = error_of(world, 1, "deploy", str(file), "--env", "sandbox")
        assert f"cannot pull localhost:5000/systech/homeguru-{service}@sha256:0000" in said
        here = said.partition("releases whose images are all on this server: ")[2]
        assert world.on_server("cat current") in here.splitlines()[0].split()
        assert left in said
        assert world.version() == version


class TestApplication:
    def test_never_healthy_names_its_last_lines(self, world, deployed) -> None:
        version = world.version()
        text = (world.environments / "sandbox.toml").read_text()
        quick = "\n".join(
            "healthy_within = 8" if x.startswith("healthy_within") else x for x in text.splitlines()
        )
        (world.environments / "sandbox.toml").write_text(quick)
        words = ["release", "--env", "sandbox", "--source", str(world.repository)]
        fault = ('return {"status": "ok"', 'response.status_code = 500\n    return {"status": "ok"')
        with world.broken({"src/api/main.py": fault}, "never healthy"):
            said = error_of(world, 1, *words)
        (world.environments / "sandbox.toml").write_text(text)
        assert "did not become healthy within 8 s" in said or "is unhealthy" in said
        assert "GET /health" in said
        assert world.version() == version

    def test_a_migration_that_fails_leaves_the_database_as_it_was(self, world, deployed) -> None:
        version = world.version()
        revision = world.ok("status", "--env", "sandbox")["database_revision"]
        wrong = (
            f'"""wrong."""\nfrom alembic import op\nrevision = "a1b2c3d40099"\n'
            f'down_revision = "{revision}"\n\n'
            "def upgrade() -> None:\n"
            '    op.execute("ALTER TABLE messages ADD half int")\n'
            '    op.execute("SELECT 1/0")\n'
        )
        words = ["release", "--env", "sandbox", "--source", str(world.repository)]
        with world.broken({"migrations/versions/0099_wrong.py": ("", wrong)}, "wrong"):
            said = error_of(world, 1, *words)
        assert "migrate failed" in said
        assert "division by zero" in said
        assert world.ok("status", "--env", "sandbox")["database_revision"] == revision
        columns = world.on_server(
            "docker exec homeguru-postgres-1 psql -U postgres -d homeguru -Atc "
            "\"select column_name from information_schema.columns where table_name='messages'\""
        )
        assert "half" not in columns
        assert world.version() == version
