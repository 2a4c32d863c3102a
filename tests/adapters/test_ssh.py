"""Connecting to something that is no SSH server: a sentence, and no library's traceback."""

from __future__ import annotations

import socket
import time

import pytest

from deployments.environment import parse_environment
from deployments.errors import Unreachable
from infra import ssh

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"


@pytest.fixture
def remote(tmp_path):
    """A function that makes a connection to a port of this machine."""
    key_file = tmp_path / "key"
    key_file.touch(mode=0o600)

    def make(port: int) -> ssh.Remote:
        host = {
            "address": "127.0.0.1", "port": port, "user": "systech", "key_file": str(key_file),
            "host_keys": [KEY],
        }  # fmt: skip
        data = {
            "v": 1, "project": "p", "directory": "/srv/p", "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io", "repository": "a/{service}", "host": host,
        }  # fmt: skip
        return ssh.Remote(parse_environment("prod", data, "prod.toml"), key_file)

    return make


def test_a_port_that_never_says_a_word(remote, monkeypatch, capfd):
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Unreachable) as caught:
            remote(server.getsockname()[1]).open()
        time.sleep(0.2)  # the library's own thread would complain by now
    assert caught.value.what == "no SSH answer within 1 s"
    assert caught.value.state == "not reached"
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_where_nothing_listens(remote):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            remote(port).open()
    assert caught.value.what.startswith("cannot connect: ")
    assert caught.value.todo == "is sshd running, is the port open?"


class Sftp:
    """Directories and files of a host, by paramiko's names; a write to a full disk is refused."""

    def __init__(self, *there: str, full: bool = False) -> None:
        self.there, self.full = set(there), full
        self.files: dict[str, bytes] = {}

    def stat(self, path: str) -> None:
        if path not in self.there:
            raise FileNotFoundError(path)

    def mkdir(self, path: str, mode: int) -> None:
        self.stat(path.rpartition("/")[0])
        assert mode == 0o700
        self.there.add(path)

    def open(self, path: str, mode: str) -> Handle:
        self.stat(path.rpartition("/")[0])
        return Handle(self, path)


class Handle:
    def __init__(self, sftp: Sftp, path: str) -> None:
        self._sftp, self._path, self.waits = sftp, path, True

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None: ...

    def chmod(self, mode: int) -> None:
        assert mode == 0o600

    def set_pipelined(self, pipelined: bool) -> None:
        self.waits = not pipelined

    def write(self, data: bytes) -> None:
        if self._sftp.full and self.waits:
            raise OSError("Failure")
        self._sftp.files[self._path] = data


def put(remote: ssh.Remote, monkeypatch, sftp: Sftp, directory: str) -> None:
    monkeypatch.setattr(remote._connection, "sftp", lambda: sftp)
    remote.put(directory, {"line.json": "x"})


def test_files_go_into_a_directory_that_is_made_with_all_above_it(remote, monkeypatch):
    sftp = Sftp("/srv/p")
    put(remote(1), monkeypatch, sftp, "/srv/p/.incoming/t/back")
    assert sftp.files == {"/srv/p/.incoming/t/back/line.json": b"x"}


def test_a_full_disk_is_told(remote, monkeypatch):
    with pytest.raises(Unreachable, match="cannot write into /srv/p: Failure"):
        put(remote(1), monkeypatch, Sftp("/srv/p", full=True), "/srv/p")
