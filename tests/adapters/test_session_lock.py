"""The lock over a real connection: what is lost, what is kept, and what never answers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import Locked, StepFailed, Unreachable
from infra.environment.locate import Located
from infra.host.actor import Actor
from infra.host.session import Host
from infra.ssh import files
from infra.ssh import session_lock as locking
from tests.adapters.loopback_sshd import Sshd, serving


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """A function that makes a host behind an SSH server of this process."""
    key, home = tmp_path / "key", tmp_path / "home"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    home.mkdir()
    with ExitStack() as stack:
        sshd = stack.enter_context(serving(Sshd(["/bin/sh"], home)))

        def make(**changes) -> Host:
            for name, value in changes.items():
                setattr(sshd, name, value)
            where = {
                "address": "127.0.0.1", "port": sshd.port, "user": "systech",
                "key_file": str(key), "host_keys": [sshd.host_key],
            }  # fmt: skip
            data = {
                "v": 1, "project": "p", "directory": str(home), "push_registry": "ghcr.io",
                "pull_registry": "ghcr.io", "repository": "a/{service}", "host": where,
                "lock_wait": 10,
            }  # fmt: skip
            located = Located(parse_environment("prod", data, "prod.toml"), tmp_path / "prod.toml")
            made = Host(located, Actor("ada", "cli", "r1"), "deploy", lambda _: None)
            made.open()
            stack.callback(made.close)
            return made

        make.sshd = sshd
        make.home = home
        yield make


def test_a_lock_that_was_waited_for_is_not_taken_for_lost(host, monkeypatch):
    """The heartbeat of an attempt that was refused met a closed channel, and that was kept."""
    monkeypatch.setattr(locking, "_BEAT", 0.01)
    ended = paramiko.Channel.recv_exit_status

    def slowly(channel: paramiko.Channel) -> int:
        code = ended(channel)
        time.sleep(0.2)
        return code

    monkeypatch.setattr(paramiko.Channel, "recv_exit_status", slowly)
    first, second = host(), host()
    first.lock("")
    threading.Timer(1, first.close).start()
    second.lock("")
    time.sleep(0.5)
    assert second.connected
    second._lock.check()


def test_a_run_that_connects_again_finds_its_files(host):
    """It said `bye` with its former connection, and the host removed them."""
    one = host()
    one.lock("")
    one.send({"compose.yml": "x"})
    one.reconnect()
    time.sleep(1)
    assert one.files([f"{one.incoming}/compose.yml"]) == {f"{one.incoming}/compose.yml": "x"}
    assert one.connected


def test_a_connection_that_was_cut_is_noticed_and_taken_up_again(host, monkeypatch):
    monkeypatch.setattr(locking, "_BEAT", 0.2)
    one = host()
    one.lock("")
    one.send({"compose.yml": "x"})
    for transport in host.sshd.transports:
        transport.close()
    _until(lambda: not one.connected)
    one.reconnect()
    assert one.connected
    time.sleep(1)
    assert one.connected
    assert one.files([f"{one.incoming}/compose.yml"])


def test_a_run_that_ends_leaves_no_files(host):
    one = host()
    one.lock("")
    one.send({"compose.yml": "x"})
    one.close()
    _until(lambda: not (host.home / ".incoming").exists())


def test_the_owner_is_told_to_a_second_run(host, monkeypatch):
    first, second = host(), host()
    first.lock("")
    monkeypatch.setattr(Host, "patience", 0)
    with pytest.raises(Locked, match="deploy by ada since"):
        second.lock("")


def test_a_host_that_never_says_whether_the_lock_is_held(host, monkeypatch, tmp_path):
    silent = tmp_path / "silent"
    silent.write_text(
        "#!/bin/bash\nfor to in 1 2; do printf '\\nhomeguru-ready\\n' >&$to; done; sleep 60\n"
    )
    silent.chmod(0o755)
    monkeypatch.setattr(locking, "ANSWERED", 1)
    begin = time.monotonic()
    ended = []

    def attempt() -> None:
        with pytest.raises(StepFailed, match="did not end in time"):
            host(shell=[str(silent)]).lock("")
        ended.append(time.monotonic() - begin)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(10)
    assert ended and ended[0] < 10


@pytest.mark.parametrize(
    ("server", "kind", "said"),
    [
        ("sleep 60", StepFailed, "what answers on the server is no SFTP"),
        ("echo Welcome to this server; sleep 60", StepFailed, "is no SFTP"),
        (r"printf '\0\0\0\5\2\0\0\0\3'; sleep 60", Unreachable, "did not answer within 1 s"),
    ],
)
def test_an_sftp_server_that_says_nothing_is_given_up(
    host, monkeypatch, tmp_path, server, kind, said
):
    monkeypatch.setattr(files, "CONNECT_TIMEOUT", 2)
    monkeypatch.setattr(files, "SFTP_SILENCE", 1)
    one = host(subsystem=["bash", "-c", server])
    caught: list[BaseException] = []

    def fetch() -> None:
        try:
            files.RemoteFiles(one._remote).fetch("/etc/hostname", tmp_path / "copy")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(10)
    assert [type(error) for error in caught] == [kind]
    assert said in str(caught[0].what)


def _until(there: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)
