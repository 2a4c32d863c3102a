"""The tunnel to the registry: opened for what is missing, and by one run of a server at a time."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import Refused
from infra.environment.locate import Located
from infra.host import registry_tunnel
from infra.host import session as hosts
from infra.ssh.tunnel import forwarded
from tests.adapters.loopback_sshd import Sshd, serving

IMAGE = "localhost:5000/a/api@sha256:1"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], hosts.Host]]:
    """A function that makes a host of one server; its Docker has `here` images."""
    key, programs = tmp_path / "key", tmp_path / "programs"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\n[ -e "$HOME/here" ] && echo {IMAGE}\n')
    (programs / "docker").chmod(0o755)
    with ExitStack() as stack:
        sshd = stack.enter_context(serving(Sshd(["/bin/sh"], tmp_path, path=str(programs))))

        def make() -> hosts.Host:
            where = {
                "address": "127.0.0.1", "port": sshd.port, "user": "systech", "key_file": str(key),
                "host_keys": [sshd.host_key], "tunnel_registry": True,
            }  # fmt: skip
            data = {
                "v": 1, "project": "p", "directory": str(tmp_path), "push_registry": "127.0.0.1:1",
                "pull_registry": "localhost:5000", "repository": "a/{service}", "host": where,
            }  # fmt: skip
            located = Located(parse_environment("prod", data, "prod.toml"), tmp_path / "prod.toml")
            log: list[str] = []
            made = hosts.Host(located, hosts.Actor("ada", "cli", "r1"), "deploy", log.append)
            made.open()
            made.logged = log
            stack.callback(made.close)
            return made

        make.sshd, make.home = sshd, tmp_path
        # Whether something listens there is asked on this machine, where nothing need do so.
        monkeypatch.setattr(registry_tunnel.images, "listens", lambda _: hosts.Script("echo yes\n"))
        yield make


REGISTRY = SimpleNamespace(ping=lambda: None)


def never() -> None:
    raise AssertionError("the registry was asked")


def test_images_that_are_there_need_neither_tunnel_nor_registry(host):
    """An undo failed since its tunnel's port was in use, though it had nothing to pull."""
    one = host()
    (host.home / "here").touch()
    host.sshd.forwarded.add(5000)
    with one.tunnel(SimpleNamespace(ping=never), [IMAGE]):
        pass
    with one.tunnel(SimpleNamespace(ping=never), []):
        pass


def test_two_deploys_of_one_server_pull_one_after_the_other(host):
    first, second = host(), host()
    order: list[str] = []

    def pull() -> None:
        with second.tunnel(REGISTRY, [IMAGE]):
            order.append("second")

    with first.tunnel(REGISTRY, [IMAGE]):
        assert host.sshd.forwarded == {5000}
        thread = threading.Thread(target=pull, daemon=True)
        thread.start()
        time.sleep(1.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "waiting up to" in " ".join(second.logged)
    assert host.sshd.forwarded == set()


def test_a_port_that_stays_in_use_is_a_sentence(host, monkeypatch):
    monkeypatch.setattr(registry_tunnel, "TUNNEL_WAIT", 0)
    host.sshd.forwarded.add(5000)
    with pytest.raises(Refused, match=r"port 5000 on the server, .* in use") as caught:
        host().tunnel(REGISTRY, [IMAGE]).__enter__()
    assert "ss -ltnp" in caught.value.todo


def test_a_server_that_forbids_forwarding_is_not_waited_for(host, monkeypatch):
    monkeypatch.setattr(registry_tunnel.images, "listens", lambda _: hosts.Script("true\n"))
    host.sshd.forwarded.add(5000)
    begin = time.monotonic()
    with pytest.raises(Refused, match="sshd refuses the tunnel") as caught:
        host().tunnel(REGISTRY, [IMAGE]).__enter__()
    assert time.monotonic() - begin < 10
    assert "AllowTcpForwarding" in caught.value.todo


def test_a_port_that_becomes_free_between_the_refusal_and_the_look_is_taken(host, monkeypatch):
    """Another run ended its own tunnel there, and this one was told that sshd forbids it."""

    def listens(_):
        host.sshd.forwarded.discard(5000)
        return hosts.Script("true\n")

    monkeypatch.setattr(registry_tunnel.images, "listens", listens)
    host.sshd.forwarded.add(5000)
    one = host()
    with one.tunnel(REGISTRY, [IMAGE]):
        assert host.sshd.forwarded == {5000}
    assert one.logged == []


def test_a_forward_ends_with_an_error_as_well() -> None:
    """Who waits for its next connection is woken up, and no thread stays."""
    before = set(threading.enumerate())
    with pytest.raises(KeyError), forwarded(None, 5000):
        raise KeyError
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before
