"""Into a machine as somebody who is root there, or becomes it by sudo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.environment.schema import Environment
from deployments.errors import Refused, StepFailed
from deployments.shell.machine import as_root, may_become_root
from deployments.shell.quote import Script
from infra.machine.output import Log
from infra.ssh.connection import Remote
from infra.ssh.errors import UnsafeServer


@dataclass(frozen=True)
class RootLogin:
    """Whom to enter as: the first of `users` who is let in.

    key_file: None for the person's own keys, those of an SSH agent included.
    """

    users: tuple[str, ...]
    key_file: Path | None = None
    password: str = ""


class RootShell:
    """An open connection whose scripts run as root."""

    def __init__(self, remote: Remote, user: str) -> None:
        self._remote = remote
        self.user = user

    def run(self, script: Script, log: Log | None = None) -> str:
        """Run a script; returns its output. Raises StepFailed with its last lines."""
        output = self._remote.run(as_root(script, self.user), log)
        if output.code:
            raise StepFailed(
                output.tail or f"exit code {output.code}", where=self._remote.environment.ssh,
                state="as the steps before left it, each of them whole",
                todo="correct what it says, then run the same command again: it goes on from there",
            )  # fmt: skip
        return output.stdout


_here: list[RootLogin] = []


def enter_here(login: RootLogin) -> None:
    """What a person at this terminal enters with; a password is no parameter of a run."""
    _here[:] = [login]


def login_here() -> RootLogin | None:
    """The same for the flow in this process; None where nobody said so."""
    return _here[0] if _here else None


@contextmanager
def entered(environment: Environment, login: RootLogin) -> Iterator[RootShell]:
    """Connect as the first user who is let in and may become root.

    environment: with the server's key pinned. Raises Refused where nobody is, UnsafeServer, Unreachable.
    """
    refusals = []
    for user in login.users:
        remote = Remote(as_user(environment, user), login.key_file, login.password)
        try:
            remote.open()
            _check_root(remote, user)
        except Refused as refused:
            remote.close()
            if isinstance(refused, UnsafeServer):
                raise
            refusals.append(f"{user}: {refused.what}")
            continue
        try:
            yield RootShell(remote, user)
        finally:
            remote.close()
        return
    raise Refused(
        f"cannot enter as {' or '.join(login.users)} ({'; '.join(refusals)})",
        where=environment.ssh, state="untouched",
        todo="name who is root there, or becomes it by sudo without a password: --as USER, with "
        "--key FILE or --ask-password; or paste what --print shows into the provider's console",
    )  # fmt: skip


def as_user(environment: Environment, user: str) -> Environment:
    """The same server, entered as another user."""
    return environment.model_copy(
        update={"host": environment.host.model_copy(update={"user": user})}
    )


def _check_root(remote: Remote, user: str) -> None:
    output = remote.run(may_become_root(user))
    if output.code:
        raise Refused(
            f"enters, and does not become root by sudo without a password: {output.tail}",
            todo="on the server, as root: visudo, NOPASSWD: ALL for that user",
        )
