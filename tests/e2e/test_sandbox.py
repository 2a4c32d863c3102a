"""A whole sandbox: the server is a machine of its own, reached only as a real one would be."""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import paramiko
import pytest

from infra.engine.daemon import Engine
from infra.engine.images import HAPROXY
from infra.machine.waiting import wait_until
from infra.sandbox.login import Login
from infra.sandbox.parts import remove
from infra.sandbox.sandbox import Sandbox, SandboxInfo

pytestmark = pytest.mark.e2e
PROJECT = "hgtest-sandbox"


def say(text: str) -> None:
    print(text, flush=True)


@pytest.fixture(scope="module")
def sandbox(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    remove(PROJECT)  # left by a killed run
    sandbox = Sandbox(PROJECT, tmp_path_factory.mktemp("sandbox"), say)
    try:
        sandbox.up()
        yield sandbox
    finally:
        sandbox.down()
        assert names("ps", "-a") == names("volume", "ls") == names("network", "ls") == ""


@pytest.fixture
def info(sandbox: Sandbox) -> SandboxInfo:
    return sandbox.up()


def docker(*args: str, data: bytes = b"") -> str:
    done = subprocess.run(["docker", *args], check=True, capture_output=True, input=data)
    return done.stdout.decode()


def names(*listing: str) -> str:
    """What is left of the project in one of Docker's lists."""
    return docker(*listing, "-q", "--filter", f"label=org.homeguru.sandbox={PROJECT}")


def login(info: SandboxInfo) -> Login:
    return Login(info.ssh_port, info.ssh_user, info.ssh_key, info.host_key)


def test_ssh_shows_the_key_made_before_the_first_connection(info: SandboxInfo) -> None:
    with socket.create_connection(("127.0.0.1", info.ssh_port), 5) as sock:
        transport = paramiko.Transport(sock)
        transport.start_client(timeout=5)
        shown = transport.get_remote_server_key()
        transport.close()
    assert f"{shown.get_name()} {shown.get_base64()}" == info.host_key
    assert info.ssh_key.stat().st_mode & 0o777 == 0o600


def test_another_host_key_is_refused(info: SandboxInfo) -> None:
    other = base64.b64decode(info.host_key.split()[1])[:-1] + b"?"
    wrong = replace(login(info), host_key=f"ssh-ed25519 {base64.b64encode(other).decode()}")
    with pytest.raises(paramiko.BadHostKeyException):
        wrong.check()


def test_passwords_and_root_are_refused(info: SandboxInfo) -> None:
    with socket.create_connection(("127.0.0.1", info.ssh_port), 5) as sock:
        transport = paramiko.Transport(sock)
        transport.start_client(timeout=5)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_none(info.ssh_user)
        transport.close()
    assert refused.value.allowed_types == ["publickey"]
    with pytest.raises(Exception, match=r"(?i)authentication"):
        replace(login(info), user="root").check()


def test_the_server_has_an_engine_of_its_own(info: SandboxInfo, engine: Engine) -> None:
    theirs = login(info).run("docker info --format '{{.ID}} {{.Driver}}'").split()
    assert theirs[0] != engine.id
    assert theirs[1] == "overlay2"
    compose = login(info).run("docker compose version --short").lstrip("v").split(".")
    assert (int(compose[0]), int(compose[1])) >= (2, 20)
    assert login(info).run("stat -c %U /opt/systech/sunko") == "systech"


def test_a_container_inside_reaches_telegram_and_is_reached(info: SandboxInfo) -> None:
    saved = subprocess.run(["docker", "save", HAPROXY], check=True, capture_output=True).stdout
    docker("exec", "-i", info.server, "docker", "load", data=saved)
    host, port = info.telegram_url.removeprefix("http://").split(":")
    ask = (
        f"exec 3<>/dev/tcp/{host}/{port}; "
        r"printf 'GET /bot1:from-inside/getMe HTTP/1.0\r\n\r\n' >&3; cat <&3"
    )
    server = login(info)
    server.run("docker network create inner")
    answer = server.run(f'docker run --rm --network inner {HAPROXY} bash -c "{ask}"')
    assert "test_1_bot" in answer
    calls = httpx.get(f"{info.telegram_control_url}/_calls")
    assert [call["method"] for call in calls.json()] == ["getMe"]
    assert "from-inside" not in calls.text


def test_inner_containers_and_files_survive_a_restart(info: SandboxInfo, sandbox: Sandbox) -> None:
    config = r"defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
    config += r"frontend f\n bind :8003\n http-request return status 200\n"
    server = login(info)
    server.run(f"printf '{config}' > /opt/systech/sunko/edge.cfg")
    mount = "/opt/systech/sunko/edge.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"
    server.run(f"docker run -d --restart unless-stopped -p 8003:8003 -v {mount} {HAPROXY}")
    # Killed, not stopped: stale pid files must not keep it from coming back.
    docker("kill", info.server)
    docker("wait", info.server)
    assert sandbox.info() is None
    again = sandbox.up()
    assert again == info == sandbox.info()
    assert wait_until(lambda: _answers_200(again.api_url), 20)


def _answers_200(url: str) -> bool:
    """Docker's proxy takes connections a moment before the container behind it listens."""
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_registry_holds_the_infrastructure_images(info: SandboxInfo) -> None:
    catalog = httpx.get(f"http://{info.registry}/v2/_catalog").json()
    assert catalog == {"repositories": ["library/haproxy", "library/postgres"]}


def test_two_sandboxes_stand_side_by_side(info: SandboxInfo, tmp_path: Path) -> None:
    other = Sandbox(f"{PROJECT}-b", tmp_path, say)
    try:
        second = other.up()
        assert login(second).run("docker ps -q") == ""
        assert second.host_key != info.host_key
    finally:
        other.down()
    assert other.info() is None
    login(info).check()
