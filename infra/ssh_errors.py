"""Why a connection did not come about, in a sentence for each cause."""

from __future__ import annotations

import socket

import paramiko

from deployments.errors import Refused, Unreachable


def connect_error(error: Exception, user: str, pinned: str, where: str, patience: int) -> Exception:
    """pinned: where the known host keys stand. patience: the time-out, in seconds."""
    state = "untouched"
    if isinstance(error, paramiko.BadHostKeyException):
        return Refused(
            "the host key changed: it is not the pinned one",
            where=where,
            state=state,
            todo=f"if the server was rebuilt, read its key on its console and correct {pinned}; "
            "otherwise someone stands between",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return Refused(
            f"the server refuses user {user} with this key",
            where=where,
            state=state,
            todo=f"check `user` and `key_file`; the public half belongs into "
            f"~{user}/.ssh/authorized_keys",
        )
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return Refused(
            "the server shows a host key that is not pinned",
            where=where,
            state=state,
            todo=f"read the key on the server's console and add it to {pinned}",
        )
    if isinstance(error, TimeoutError):
        said = f"no answer within {patience} s"
    elif "banner" in str(error) or "No existing session" in str(error):
        said = f"no SSH answer within {patience} s"
    elif isinstance(error, socket.gaierror):
        said = "the address does not resolve"
    else:
        said = f"cannot connect: {error}"
    return Unreachable(
        said, where=where, state="not reached", todo="is sshd running, is the port open?"
    )
