"""What a script on a host says: lines as they come, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from deployments.errors import HomeguruError
from deployments.host.script_results import Channel, Result
from deployments.redaction import Redactor
from deployments.text import plain

Log = Callable[[str], None]
_process = Redactor()
"""What this process knows and nothing may show: one redactor for terminal, log and artifact."""


def hide(values: Iterable[str]) -> None:
    """Let no sink of this process show these values."""
    # What comes from a file may end in a line break that its reader takes away.
    forms = [form for value in values for form in (value, plain(value), value.strip())]
    # Several addresses with their tokens may be one value.
    _process.learn([*forms, *(w for value in forms for w in value.split() if len(w) >= 16)])


def clean(text: str) -> str:
    """The text as every sink shows it: without secrets, and without what a terminal would obey."""
    return _process(plain(text))


def cleaned(error: HomeguruError) -> HomeguruError:
    """The same error, its text fit to be shown: it may quote what a program printed."""
    parts = (clean(part) for part in (error.what, error.where, error.state, error.todo))
    error.what, error.where, error.state, error.todo = parts
    error.args = (error.what,)
    error.summary = clean_data(error.summary)
    return error


def clean_data(data: Any) -> Any:
    """The same data for a JSON document, every text in it as sinks show it."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {name: clean_data(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [clean_data(value) for value in data]
    return data


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


def without_results(channel: Channel, log: Log) -> Log:
    """The same log, but for the results: they are for no person to read."""
    return lambda line: None if channel.owns(line) else log(line)


def with_results(channel: Channel, output: Output) -> Output:
    """The same output, its results taken out of what was printed."""
    talk, results = channel.split(output.stdout)
    return replace(output, stdout=talk, results=results)
