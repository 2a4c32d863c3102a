"""Advice of errors that only a program or a name server can provoke."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import paramiko
import pytest

from deployments.errors import WrongUse
from infra.ssh.errors import connect_error
from infra.ssh.key import check_key


def test_a_key_with_a_passphrase_is_not_written_over(tmp_path: Path) -> None:
    """`ssh-keygen` without a file offers the one that is there."""
    key = tmp_path / "id"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)]
    subprocess.run(words, check=True)
    with pytest.raises(WrongUse) as told:
        check_key(paramiko.AuthenticationException(), key, "h")
    assert f"-f {key}_deploy;" in told.value.todo


def test_an_address_that_does_not_resolve_is_asked_for_by_its_name() -> None:
    told = connect_error(socket.gaierror(), "u", "host_keys", "u@vps.example:22", 15)
    assert "getent hosts vps.example " in told.todo
