"""What a script on a host says: lines as they come, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from deployments.host.script_results import Channel, Result
from deployments.redaction import Redactor
from deployments.text import plain
from infra.machine.sinks import clean

Log = Callable[[str], None]


@dataclass(frozen=True)
class Output:
    """How a script on the host ended. results: what the script itself reports; no program can."""

    code: int
    stdout: str
    stderr: str
    results: tuple[Result, ...] = ()

    @property
    def tail(self) -> str:
        """The last fourteen lines of the error output, else of the output."""
        return "\n".join((self.stderr.strip() or self.stdout.strip()).splitlines()[-14:])


class Mask:
    """Takes the values of secrets out of what a host says: a program that dies may print its settings.

    Besides its own values it hides all that this process does.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._own = Redactor(values)

    def __call__(self, text: str) -> str:
        return clean(self._own(plain(text)))

    def log(self, log: Log) -> Log:
        """The same log, masked."""
        return lambda line: log(self(line))

    def output(self, output: Output) -> Output:
        """The same output, masked."""
        return replace(output, stdout=self(output.stdout), stderr=self(output.stderr))


def without_results(channel: Channel, log: Log, follow: Log | None = None) -> Log:
    """The same log, but for what the script says apart: no person reads that, `follow` gets it."""

    def taken(line: str) -> None:
        if not channel.owns(line):
            log(line)
        elif follow:
            follow(channel.content(line))

    return taken


def with_results(channel: Channel, output: Output) -> Output:
    """The same output, its results taken out of what was printed."""
    talk, results = channel.split(output.stdout)
    return replace(output, stdout=talk, results=results)
