"""A control plane on another host: everything over SSH, with its key pinned."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.control.docker import Docker
from infra.control.image import ensure_image
from infra.control.settings import Settings, State
from infra.engine.client import docker
from infra.engine.images import CADDY, POSTGRES
from infra.sandbox.sandbox import SandboxInfo
from tests.e2e.conftest import Ended, World, address_of, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]


@pytest.fixture(scope="module")
def host(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("far", tmp_path_factory.mktemp("far"), "") as found:
        yield found


@pytest.fixture(scope="module")
def image(host: World) -> str:
    """Our image, on the host as if it had pulled it, with the two that go with it."""
    here = Docker(State(host.state / "builder"), Settings(), say)
    name = ensure_image(here, "")
    subprocess.run(
        f"docker save {name} {POSTGRES} {CADDY} | docker exec -i {host.info.server} docker load",
        shell=True, check=True, capture_output=True, timeout=400,
    )  # fmt: skip
    return name


@pytest.fixture(scope="module")
def where(host: World) -> str:
    """The host's address in the sandbox's own network."""
    return address_of(host.info.server)


@pytest.fixture(scope="module")
def up(host: World, image: str, where: str) -> Callable[..., Ended]:
    """`homeguru control-plane up` there; `words` come last, so they win."""
    info: SandboxInfo = host.info

    def run(*words: str, state: Path = host.state / "far") -> Ended:
        return host.homeguru(
            "control-plane", "up", "--address", where, "--image", image,
            "--environments", str(host.environments),
            "--host", f"{info.ssh_user}@127.0.0.1:{info.ssh_port}", "--ssh-key", str(info.ssh_key),
            *words, HOMEGURU_STATE=str(state), PREFECT_API_URL="",
        )  # fmt: skip

    return run


def test_a_host_whose_key_is_not_known_is_refused(host: World, up, tmp_path: Path) -> None:
    found = up(state=tmp_path / "a")
    assert found.code == 2, found.stdout + found.stderr
    assert "no host key is given" in found.stderr
    other = docker("exec", host.info.server, "bash", "-c",
                   "ssh-keygen -q -t ed25519 -N '' -f /tmp/k; cut -d' ' -f1,2 /tmp/k.pub")  # fmt: skip
    found = up("--host-key", other, state=tmp_path / "b")
    assert found.code == 1, found.stdout + found.stderr
    assert "Host key verification failed" in found.stderr
    assert host.on_server("docker ps -q") == ""


def test_up_and_again(host: World, up, where: str) -> None:
    key = ("--host-key", host.info.host_key)
    begin = time.monotonic()
    first = up(*key)
    assert first.code == 0, first.stdout + first.stderr
    say(f"control plane over SSH: up after {time.monotonic() - begin:.0f} s")
    begin = time.monotonic()
    again = up(*key)
    assert again.code == 0, again.stderr
    assert "nothing to do" in again.stdout
    say(f"again: {time.monotonic() - begin:.0f} s, nothing to do")
    services = host.on_server("docker ps --format '{{.Label \"com.docker.compose.service\"}}'")
    wanted = {"postgres", "server", "worker-docker", "worker", "guard", "gateway"}
    assert set(services.split()) == wanted


@pytest.fixture
def call(host: World) -> Callable[..., Ended]:
    def run(*words: str) -> Ended:
        there = {"HOMEGURU_STATE": str(host.state / "far"), "PREFECT_API_URL": ""}
        return host.homeguru("control-plane", *words, **there)

    return run


def test_its_status_and_a_look_through_it(host: World, call, where: str) -> None:
    found = call("status", "--json")
    assert found.code == 0, found.stdout + found.stderr
    assert found.json["problems"] == []
    added = call("account", "add", "anna")
    password = added.stdout.split("password (shown once): ")[1].split()[0]
    through = {
        "PREFECT_API_URL": f"https://{where}/api", "PREFECT_API_AUTH_STRING": f"anna:{password}",
        "SSL_CERT_FILE": str(host.state / "far" / "control-plane" / "ca.crt"),
        "PREFECT_API_SSL_CERT_FILE": str(host.state / "far" / "control-plane" / "ca.crt"),
    }  # fmt: skip
    looked = host.homeguru("verify", "--env", "sandbox", **through)
    # Nothing was deployed; the flow ran there, looked, and said so.
    assert looked.code == 3, looked.stdout + looked.stderr
    assert "no release" in looked.stderr
    refused = host.homeguru(
        "verify", "--env", "sandbox", **{**through, "PREFECT_API_AUTH_STRING": "anna:no"}
    )
    assert "password" in refused.stderr or "account" in refused.stderr


def test_down_leaves_nothing(host: World, call) -> None:
    # A schedule may have begun a run: that is not what this asks for.
    assert call("down", "--volumes", "--yes").code == 0
    assert host.on_server("docker ps -aq") == ""
    assert host.on_server("docker volume ls -q") == ""
