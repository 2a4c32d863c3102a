"""Holding a host's session lock with a heartbeat; see deployments/commands/lock.py."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
import time

import paramiko

from deployments.commands.lock import BUSY, FENCED, HELD, hold_session
from deployments.environment import Environment
from deployments.errors import Locked, StepFailed, Unreachable
from deployments.journal import AT
from deployments.ledger import canonical
from infra.output import Log
from infra.ssh import Remote

_BEAT = 2.0


class SessionLock:
    """The lock of one run. Entering takes it, leaving frees it, death frees it too."""

    def __init__(self, remote: Remote, owner: dict[str, str], one_off: str, log: Log) -> None:
        self._remote = remote
        self._owner = canonical({**owner, "at": AT})
        self._one_off = one_off
        self._log = log
        self._channel: paramiko.Channel | None = None
        self._stop = threading.Event()
        self.lost = threading.Event()

    def acquire(self, wait: int, again: str = "") -> None:
        """Take the lock within `wait` seconds; raises Locked with who has it and since when.

        again: this run's token, when it held the lock before its connection broke.
        """
        deadline = time.monotonic() + wait
        told = False
        while True:
            busy = self._attempt(again)
            if busy is None:
                return
            if time.monotonic() >= deadline:
                raise locked(self._remote.environment, busy)
            if not told:
                self._log(f"waiting up to {wait} s: {describe_owner(busy)}")
                told = True
            time.sleep(2)

    def _attempt(self, again: str) -> str | None:
        """Try once; None when held, else the owner's line."""
        script = hold_session(self._remote.environment, self._owner, self._one_off, again)
        channel = self._remote.transport.open_session()
        channel.exec_command(f"exec bash -c {shlex.quote(script.text)}")
        self._channel = channel
        self._stop.clear()
        threading.Thread(target=self._beat, args=(channel,), daemon=True).start()
        said = ""
        for line in _lines(channel):
            if line == HELD:
                return None
            if line.startswith("waiting for"):
                self._log(line)
            else:
                said = line
        code = channel.recv_exit_status()
        self._stop.set()
        if code == BUSY:
            return said
        if code == FENCED:
            raise _fenced(self._remote.environment)
        error = channel.makefile_stderr("r").read()
        text = (error.decode() if isinstance(error, bytes) else error).strip()
        raise StepFailed(
            f"cannot take the lock: {text or f'exit code {code}'}",
            where=self._remote.environment.ssh,
            state="untouched",
            todo="correct what it says on the server, then run the same command again",
        )

    def _beat(self, channel: paramiko.Channel) -> None:
        while not self._stop.is_set():
            try:
                channel.sendall(b"\n")
            except (OSError, EOFError, paramiko.SSHException):
                self.lost.set()
                return
            self._stop.wait(_BEAT)

    def release(self) -> None:
        """Free the lock; safe to call twice and after the connection broke."""
        self._stop.set()
        if self._channel is not None:
            # Else the host keeps this run's files for a while: it might come back.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._channel.sendall(b"bye\n")
            self._channel.close()
            self._channel = None

    def check(self) -> None:
        """Raise Unreachable when the lock cannot be held any more."""
        if self.lost.is_set():
            raise Unreachable(
                "the lock was lost: the host heard nothing from here",
                where=self._remote.environment.ssh,
                state="unknown",
                todo="run the same command again: it finishes or undoes what was begun",
            )


def _lines(channel: paramiko.Channel):  # type: ignore[no-untyped-def]
    rest = b""
    while data := channel.recv(4096):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").strip()


def _fenced(environment: Environment) -> Locked:
    return Locked(
        f"another run took environment {environment.name} while this one was cut off",
        state="as that run leaves it",
        todo="look at `homeguru status`, then run this again if it is still wanted",
    )


def describe_owner(line: str) -> str:
    """`alice@laptop deploys since ...`, from the owner file's line."""
    try:
        owner = json.loads(line)
        return f"{owner['verb']} by {owner['who']} since {owner['at']} (run {owner['run']})"
    except (ValueError, KeyError, TypeError):
        return "another run, which left no name"


def locked(environment: Environment, owner: str) -> Locked:
    """The refusal that names who works there and since when."""
    return Locked(
        f"environment {environment.name} is being changed: {describe_owner(owner)}",
        state="as that run leaves it; this one changed nothing",
        todo="wait for it to end, or set lock_wait in the environment's file",
    )
