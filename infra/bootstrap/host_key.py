"""A server's own key, which a person compares with what the server's console shows."""

from __future__ import annotations

import base64
import hashlib
import re
import socket

import paramiko

from deployments.errors import Refused, WrongUse
from infra.ssh.algorithms import OLD
from infra.ssh.errors import connect_error

PATIENCE = 15
"""Seconds that the server has to show it."""

PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")


def shown_key(address: str, port: int) -> str:
    """The key that whoever answers there shows: type and base64. It is not trusted by that.

    Raises Unreachable, and UnsafeServer where it has old algorithms alone.
    """
    try:
        with socket.create_connection((address, port), PATIENCE) as connected:
            return _key_of(connected)
    except (OSError, EOFError, UnicodeError, paramiko.SSHException) as error:
        where = f"{address}:{port}"
        raise connect_error(error, "", "the environment's file", where, PATIENCE) from None


def _key_of(connected: socket.socket) -> str:
    transport = paramiko.Transport(connected, disabled_algorithms=OLD)
    try:
        options = transport.get_security_options()
        options.key_types = [kind for kind in PREFERRED if kind in options.key_types]
        transport.start_client(timeout=PATIENCE)
        key = transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    finally:
        transport.close()


def fingerprint(key: str) -> str:
    """As `ssh-keygen -lf` prints it: `SHA256:...`."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def check_expected(key: str, expected: str, where: str) -> None:
    """Raise Refused where the shown key is not the one that a person names.

    expected: a fingerprint, or a line of the server's .pub file. Raises WrongUse for neither.
    """
    words = expected.split()
    if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", expected):
        same = expected.rstrip("=") == fingerprint(key)
    elif len(words) >= 2 and re.fullmatch(r"ssh-\S+|ecdsa-\S+", words[0]):
        same = words[:2] == key.split()
    else:
        raise WrongUse(
            "--host-key is neither a fingerprint nor a public key", state="not contacted",
            todo="give SHA256:... as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the "
            "server's console, or that file's line",
        )  # fmt: skip
    if not same:
        raise Refused(
            f"the server shows another key, {fingerprint(key)} ({key.split()[0]})", where=where,
            state="untouched",
            todo="compare it on the server's console again: otherwise someone stands between",
        )  # fmt: skip
