"""One bash on the host: it announces itself, reads a script, and says what the script says.

Nothing is sent before bash has announced itself, for as long as it is not known that the login
shell starts it: a menu would take the lines of a script for answers.
"""

from __future__ import annotations

import codecs
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from deployments.errors import Refused, StepFailed
from deployments.shell.frame import READY, command_line, sent
from deployments.shell.quote import Script

AGAIN = "run the same command again; a deploy first ends or undoes what was begun"
_CHUNK = 65_536
_TURN = 0.5
"""Seconds between two looks at whether the connection still stands."""
_AFTER_EXIT = 10.0
"""Seconds for which output may be late after the command ended: something else holds it open."""
_SHOWN = 200
"""Characters of what a login shell printed instead."""


class Shell:
    """A script at work in a bash of its own, on one channel."""

    def __init__(
        self, channel: paramiko.Channel, script: Script, limit: int | None, where: str
    ) -> None:
        self._channel = channel
        self._script = script
        self._command = command_line(script, limit)
        self._where = where
        self._out, self._error = _Stream(), _Stream()

    def start(self, user: str, patience: float) -> None:
        """Start bash, and wait until it is there; raises Refused when it does not come.

        user: whose login shell it is. patience: seconds.
        """
        until = time.monotonic() + patience
        self.start_at_once(patience)
        while not self._out.ready:
            ended = self._ended
            self._take()
            if self._out.ready:
                return
            if ended and self._channel.exit_status == -1:
                raise paramiko.SSHException("it ended before bash was there")
            if ended or time.monotonic() > until:
                raise self._no_shell(user, "" if ended else f" within {patience:.0f} s")
            self._wait(until)

    def start_at_once(self, patience: float) -> None:
        """Start bash where it came before: what is sent may follow at once."""
        with closed_after(self._channel, patience):
            self._channel.exec_command(self._command)

    def give(self, stdin: bytes | None) -> None:
        """Send the script, then its input and the end of it; None leaves the input open."""
        data = sent(self._script) + (stdin or b"")
        feed = threading.Thread(target=self._feed, args=(data, stdin is not None), daemon=True)
        feed.start()

    def _feed(self, data: bytes, all_of_it: bool) -> None:
        # A script that ended without reading it all says itself why.
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.sendall(data)
            if all_of_it:
                self._channel.shutdown_write()

    def send(self, data: bytes) -> None:
        """Send more input."""
        self._channel.sendall(data)

    def lines(self, deadline: float) -> Iterator[tuple[str, bool]]:
        """Each line as it comes, and whether it is of the error output; ends with the script.

        Raises StepFailed after the deadline (monotonic). `stdout`, `stderr` have the text so far.
        """
        late: float | None = None
        while True:
            ended = self._ended
            taken = self._take()
            yield from taken
            if ended and not taken:
                break
            if self._channel.exit_status_ready():
                late = time.monotonic() + _AFTER_EXIT if taken or late is None else late
                if time.monotonic() > late:
                    break
            if time.monotonic() > deadline:
                raise StepFailed("the command did not end in time", where=self._where, todo=AGAIN)
            if not taken:
                self._wait(deadline)
        yield from self._rest()

    @property
    def stdout(self) -> str:
        return self._out.text

    @property
    def stderr(self) -> str:
        return self._error.text

    @property
    def code(self) -> int:
        """The exit code, once `lines` has ended; -1 when the connection broke before."""
        if self._out.ready or self._channel.exit_status == -1:
            return self._channel.exit_status
        raise StepFailed(f"bash did not start: {self._printed()}", where=self._where, todo=AGAIN)

    def wait_end(self, seconds: float) -> None:
        """Wait until the script has ended, whatever it printed."""
        self._channel.status_event.wait(seconds)

    def close(self) -> None:
        """Close the channel; safe to call twice. What the host does meanwhile goes on."""
        self._channel.close()

    @property
    def _ended(self) -> bool:
        """Everything has arrived, or nothing will any more."""
        channel = self._channel
        return bool(channel.closed or (channel.eof_received and channel.exit_status_ready()))

    def _wait(self, until: float) -> None:
        seconds = max(0.0, min(_TURN, until - time.monotonic()))
        if self._channel.eof_received:
            # Ready to be read for ever, and only the exit code is missing.
            self._channel.status_event.wait(seconds)
            return
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.poll(seconds * 1000)

    def _take(self) -> list[tuple[str, bool]]:
        """The lines that have arrived."""
        channel, lines = self._channel, []
        while channel.recv_ready():
            lines += [(line, False) for line in self._out.take(channel.recv(_CHUNK))]
        while channel.recv_stderr_ready():
            lines += [(line, True) for line in self._error.take(channel.recv_stderr(_CHUNK))]
        return lines

    def _rest(self) -> list[tuple[str, bool]]:
        both = ((self._out, False), (self._error, True))
        return [(rest, error) for stream, error in both if (rest := stream.end())]

    def _printed(self) -> str:
        text = self._out.before + " " + self._error.before
        plain = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
        return " ".join(plain.split())[:_SHOWN]

    def _no_shell(self, user: str, within: str) -> Refused:
        printed = f". It printed: {text}" if (text := self._printed()) else ""
        return Refused(
            f"user {user} cannot run commands on this server: its login shell did not start bash"
            f"{within}{printed}",
            where=self._where, state="untouched",
            todo="on the server, as root: is bash installed? Give the user a shell (chsh -s "
            f"/bin/bash {user}); remove command= for this key from ~{user}/.ssh/authorized_keys "
            "and ForceCommand for this user from sshd's configuration",
        )  # fmt: skip


class _Stream:
    """One of the two output streams; what comes before READY is the login shell's."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self._line = ""
        self.before = ""
        self.ready = False

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def take(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        text = self._decoder.decode(data)
        if not self.ready:
            self.before += text
            before, marker, text = f"\n{self.before}".partition(f"\n{READY}\n")
            if not marker:
                return []
            self.ready, self.before = True, before[1:]
        self._parts.append(text)
        *lines, self._line = (self._line + text).split("\n")
        return lines

    def end(self) -> str:
        """The last line, when nothing ended it."""
        rest, self._line = self._line, ""
        return rest


@contextmanager
def closed_after(channel: paramiko.Channel, seconds: float) -> Iterator[None]:
    """End a request of this channel that is never answered; paramiko waits for ever."""
    timer = threading.Timer(seconds, channel.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
