"""Holding a host's session lock with a heartbeat; see deployments/shell/lock.py."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import paramiko

from deployments.canonical import canonical
from deployments.environment.schema import Environment
from deployments.errors import Locked, StepFailed, Unreachable
from deployments.history.journal import AT
from deployments.shell.lock import ANSWERED, BUSY, FENCED, HELD, hold_session
from infra.machine.output import Log
from infra.ssh.connection import Remote
from infra.ssh.shell import Shell

_BEAT = 2.0
_FAREWELL = 2.0
"""Seconds for which the host may take to remove this run's files."""


class _Heartbeat:
    """Tells the host every few seconds that this run is there. Each hold of the lock has its own."""

    def __init__(self, shell: Shell) -> None:
        self.lost = threading.Event()
        self._shell = shell
        self._stop = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()

    def _beat(self) -> None:
        while not self._stop.is_set():
            try:
                self._shell.send(b"\n")
            except (OSError, EOFError, paramiko.SSHException):
                self.lost.set()
                return
            self._stop.wait(_BEAT)


class SessionLock:
    """The lock of one run. Entering takes it, leaving frees it, death frees it too."""

    def __init__(self, remote: Remote, owner: dict[str, str], one_off: str, log: Log) -> None:
        self._remote = remote
        self._owner = canonical({**owner, "at": AT})
        self._one_off = one_off
        self._log = log
        self._shell: Shell | None = None
        self._heartbeat: _Heartbeat | None = None

    @property
    def lost(self) -> bool:
        """Whether heartbeats no longer reach the host."""
        return self._heartbeat is not None and self._heartbeat.lost.is_set()

    def acquire(self, wait: int, again: str = "") -> None:
        """Take the lock within `wait` seconds; raises Locked with who has it and since when.

        again: this run's token, when it held the lock before its connection broke.
        """
        deadline = time.monotonic() + wait
        announced = False
        while True:
            busy = self._attempt(again)
            if busy is None:
                return
            if time.monotonic() >= deadline:
                raise locked(self._remote.environment, busy)
            if not announced:
                self._log(f"waiting up to {wait} s: {describe_owner(busy)}")
                announced = True
            time.sleep(2)

    def _attempt(self, again: str) -> str | None:
        """Try once; None when held, else the owner's line."""
        script = hold_session(self._remote.environment, self._owner, self._one_off, again)
        shell = self._remote.start(script, limit=None)
        try:
            shell.give(None)
            answer = self._answer(shell)
            if answer == HELD:
                # Not before: a heartbeat says that the lock is held, to the host and to this run.
                self._shell, self._heartbeat = shell, _Heartbeat(shell)
                return None
        except BaseException:
            shell.close()
            raise
        shell.close()
        if shell.code == BUSY:
            return answer
        if shell.code == FENCED:
            raise _fenced(self._remote.environment)
        if shell.code == -1:
            raise Unreachable(
                "the SSH connection broke while the lock was taken",
                where=self._remote.environment.ssh, state="untouched",
                todo="run the same command again",
            )  # fmt: skip
        raise StepFailed(
            f"cannot take the lock: {shell.stderr.strip() or f'exit code {shell.code}'}",
            where=self._remote.environment.ssh,
            state="untouched",
            todo="correct what it says on the server, then run the same command again",
        )

    def _answer(self, shell: Shell) -> str:
        """HELD, or the last line that the host says."""
        answer = ""
        for line, error in shell.lines(time.monotonic() + ANSWERED):
            if error or not line.strip():
                continue
            if line.startswith("waiting for"):
                self._log(line)
                continue
            answer = line.strip()
            if answer == HELD:
                break
        return answer

    def release(self) -> None:
        """Free the lock and let the host remove this run's files; safe to call twice."""
        if self._shell is not None and not self.lost:
            # Else the host keeps this run's files for a while: it might come back.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._shell.send(b"bye\n")
                # A connection that is closed at once may take the word along.
                self._shell.wait_end(_FAREWELL)
        self.let_go()

    def let_go(self) -> None:
        """End this hold, not the run: the host keeps the run's files, and it takes the lock again."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def check(self) -> None:
        """Raise Unreachable when the lock cannot be held any more."""
        if self.lost:
            raise Unreachable(
                "the lock was lost: the host heard nothing from here",
                where=self._remote.environment.ssh,
                state="unknown",
                todo="run the same command again: it finishes or undoes what was begun",
            )


def _fenced(environment: Environment) -> Locked:
    return Locked(
        f"another run took environment {environment.name} while this one was cut off",
        state="as that run leaves it",
        todo=f"homeguru status --env {environment.name} shows what runs; then run this again if it is "
        "still wanted",
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
