"""Connecting to something that is no SSH server: a sentence, and no library's traceback."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import threading
import time

import paramiko
import pytest
from paramiko.ssh_exception import NoValidConnectionsError

from deployments.environment.schema import parse_environment
from deployments.errors import HomeguruError, Unreachable, WrongUse
from infra.bootstrap.host_key import shown_key
from infra.sandbox.login import Login
from infra.ssh import connection as ssh
from infra.ssh.errors import connect_error
from infra.ssh.key import check_key, check_key_file

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"


@pytest.fixture
def remote(tmp_path):
    """A function that makes a connection to a port of this machine."""
    key_file = tmp_path / "key"
    key_file.touch(mode=0o600)

    def make(port: int, key: str = KEY) -> ssh.Remote:
        host = {
            "address": "127.0.0.1", "port": port, "user": "systech", "key_file": str(key_file),
            "host_keys": [key],
        }  # fmt: skip
        data = {
            "v": 1, "project": "p", "directory": "/srv/p", "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io", "repository": "a/{service}", "host": host,
        }  # fmt: skip
        return ssh.Remote(parse_environment("prod", data, "prod.toml"), key_file)

    return make


@pytest.mark.parametrize(
    "key",
    [
        KEY[:-1],
        KEY[:-9],
        KEY[:30],
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        "ecdsa-sha2-nistp256 AAAA",
    ],
)
def test_a_pinned_key_that_was_cut_off_is_no_traceback(remote, key):
    with pytest.raises(WrongUse, match="a pinned host key is cut off, or is no") as caught:
        remote(22, key)
    assert (caught.value.where, caught.value.state) == ("127.0.0.1", "not contacted")


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
    assert caught.value.what == "cannot connect: Connection refused"
    assert caught.value.todo == "is sshd running there, and is `port` of [host] right?"


@pytest.mark.parametrize(
    ("error", "made_with", "said"),
    [
        (paramiko.AuthenticationException("no"), "", None),
        (paramiko.PasswordRequiredException("encrypted"), "secret", "needs a passphrase"),
        (paramiko.SSHException("not a valid OPENSSH private key file"), None, "is no private SSH key"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), None, "is no private SSH key"),
        (ConnectionRefusedError("no"), None, None),
        (paramiko.SSHException("Error reading SSH protocol banner"), None, None),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_is_not_the_servers_fault(tmp_path, error, made_with, said):
    key = tmp_path / "key"
    key.write_text("garbage")
    if made_with is not None:
        key.unlink()
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", made_with, "-f", str(key)]
        subprocess.run(words, check=True)
    if said is None:
        check_key(error, key, "h")
        return
    with pytest.raises(WrongUse, match=said):
        check_key(error, key, "h")


@pytest.mark.parametrize(
    ("error", "said", "todo"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the address does not resolve",
         "is `address` of [host] right?"),
        (UnicodeError("label empty or too long"), "the address does not resolve", "`address` of [host]"),
        (OSError(113, "No route to host"), "cannot connect: No route to host", "is the server up"),
        (TimeoutError(), "no answer within 15 s", "firewall"),
        (NoValidConnectionsError({("::1", 22): ConnectionRefusedError(111, "Connection refused")}),
         "cannot connect: Connection refused", "is sshd running there"),
        (NoValidConnectionsError({("10.0.0.1", 22): TimeoutError(110, "timed out")}),
         "no answer within 15 s", "firewall"),
        (paramiko.SSHException("Error reading SSH protocol banner"), "no SSH answer within 15 s",
         "`port` of [host]"),
    ],
)  # fmt: skip
def test_each_cause_of_no_connection_has_its_next_step(error, said, todo):
    told = connect_error(error, "u", "prod.toml", "u@h:22", 15)
    assert told.what == said
    assert todo in told.todo
    assert "Errno" not in str(told)


def test_a_public_key_is_not_made_private(tmp_path):
    """Its mode is of no interest: the file beside it is meant."""
    key = tmp_path / "id.pub"
    key.write_text("ssh-ed25519 AAAA me@here\n")
    key.chmod(0o644)
    with pytest.raises(WrongUse) as caught:
        check_key_file(key, "prod.toml")
    assert caught.value.what == f"{key} is the public half of a key"
    assert caught.value.todo == f"`key_file` names the private one: {tmp_path / 'id'}"


class Listener:
    """Whoever connects here says which algorithms they would take, and is told nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.offered: list[str] = []
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        accepted, _ = self._socket.accept()
        with accepted, accepted.makefile("rwb") as stream:
            stream.write(b"SSH-2.0-Listener\r\n")
            stream.flush()
            stream.readline()
            (length,) = struct.unpack(">I", stream.read(4))
            # Past the padding's length, the kind of message and its cookie: lists of names.
            rest = stream.read(length)[1 + 1 + 16 :]
            for _ in range(6):
                (size,) = struct.unpack(">I", rest[:4])
                self.offered += rest[4 : 4 + size].decode().split(",")
                rest = rest[4 + size :]

    def heard(self) -> list[str]:
        self._thread.join(10)
        self._socket.close()
        return self.offered


@pytest.mark.parametrize("way", ["a connection", "a key that is shown", "the sandbox"])
def test_nothing_that_is_broken_is_offered(remote, tmp_path, way: str) -> None:
    listener = Listener()
    host_key = paramiko.RSAKey.generate(2048)
    key_file = tmp_path / "own"
    host_key.write_private_key_file(str(key_file))
    ways = {
        "a connection": lambda: remote(listener.port).open(),
        "a key that is shown": lambda: shown_key("127.0.0.1", listener.port),
        "the sandbox": lambda: Login(listener.port, "systech", key_file, KEY)._connect(
            paramiko.SSHClient()
        ),
    }
    with pytest.raises((HomeguruError, paramiko.SSHException, EOFError, OSError)):
        ways[way]()
    offered = listener.heard()
    assert "aes256-ctr" in offered
    broken = re.compile(r"cbc|3des|arcfour|md5|sha1|^ssh-rsa$|dss")
    assert [name for name in offered if broken.search(name)] == []
