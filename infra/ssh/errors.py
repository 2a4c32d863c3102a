"""Why a connection did not come about, in a sentence for each cause."""

from __future__ import annotations

import socket

import paramiko

from deployments.errors import Refused, Unreachable


class UnsafeServer(Refused):
    """The server's key or its algorithms: no connection is safe, whichever user enters."""


def connect_error(error: Exception, user: str, pinned: str, where: str, patience: int) -> Exception:
    """pinned: where the known host keys stand. patience: the time-out, in seconds."""
    state = "untouched"
    if isinstance(error, paramiko.BadHostKeyException):
        return UnsafeServer(
            "the host key changed: it is not the pinned one",
            where=where,
            state=state,
            todo=f"if the server was rebuilt, read its key on its console and correct {pinned}; "
            "otherwise someone stands between",
        )
    if isinstance(error, paramiko.AuthenticationException) or _tried_as_another_kind(error):
        return Refused(
            f"the server refuses user {user} with this key",
            where=where,
            state=state,
            todo=f"check `user` and `key_file`; the public half belongs into "
            f"~{user}/.ssh/authorized_keys",
        )
    if isinstance(error, paramiko.SSHException) and "No authentication methods" in str(error):
        return Refused(
            f"this machine has no key to enter with as {user}", where=where, state=state,
            todo="start an SSH agent, make a key, or name one: --key FILE; --ask-password enters with a password",
        )  # fmt: skip
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return UnsafeServer(
            "the server shows a host key that is not pinned",
            where=where,
            state=state,
            todo=f"read the key on the server's console and add it to {pinned}",
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return UnsafeServer(
            f"the server offers only old SSH algorithms: {str(error).partition('(')[2].rstrip(')')}",
            where=where, state=state,
            todo="as root on the server: without Ciphers, MACs, KexAlgorithms and HostKeyAlgorithms in "
            "sshd_config, OpenSSH offers newer ones; where its version is too old for that, update it",
        )  # fmt: skip
    problem, todo = _unreachable(error, patience, where)
    return Unreachable(problem, where=where, state="not reached", todo=todo)


def _tried_as_another_kind(error: Exception) -> bool:
    """A key in the older format was refused: paramiko then reads it as another kind, and says this."""
    return isinstance(error, paramiko.SSHException) and str(error).startswith("encountered ")


_FIREWALL = "is the server up, and does its firewall let this machine through?"
_SSHD = "is sshd running there, and is `port` of [host] right?"


def _unreachable(error: Exception, patience: int, where: str) -> tuple[str, str]:
    """Why no SSH came about, and what to look at."""
    # One for each address that the name has; the last one tried stands for them.
    tried = getattr(error, "errors", None) or {}
    cause = list(tried.values())[-1] if tried else error
    # A name that is none, such as `a..b`, is not even looked for.
    if isinstance(error, socket.gaierror | UnicodeError):
        address = where.rpartition("@")[2].rpartition(":")[0]
        return (
            "the address does not resolve",
            f"is `address` of [host] right? getent hosts {address} asks as this machine does",
        )
    if isinstance(cause, TimeoutError):
        return f"no answer within {patience} s", _FIREWALL
    if "banner" in str(error) or "No existing session" in str(error):
        return f"no SSH answer within {patience} s", _SSHD
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"cannot connect: {reason}", _SSHD if isinstance(cause, ConnectionError) else _FIREWALL
