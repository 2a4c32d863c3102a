"""Querying containers from the inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.compose.extension import Log
from deployments.environment.schema import Environment
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join

UP_FOR = 3
"""Seconds after which a container counts as up, as for one without a health check."""


def probe(
    environment: Environment,
    questions: list[tuple[str, str, tuple[str, ...]]],
    logs: Sequence[tuple[str, Log]] = (),
) -> Script:
    """Run commands inside containers, each answer a section `<exit code> <its end>`.

    questions: (name of the answer, service, command). An empty command requests the
    service's restart count once it has been up for UP_FOR: the others answer in the
    meantime. logs: service and what is looked for there, last of all.
    """
    asked = [
        call("ask_beside", "ask_container", name, service, *command)
        for name, service, command in questions
        if command
    ]
    counted = [service for _, service, command in questions if not command]
    looked_through = [
        call(
            "ask_beside", "emit_logged", f"log:{service}", service, log.seconds, " ".join(log.files),
            *[word for pattern in log.must_not for word in ("-e", pattern)],
        )
        for service, log in logs
    ]  # fmt: skip
    calls = [
        "listed=$(project_containers)",
        *([call("ask_restarts", UP_FOR, *counted)] if counted else []),
        *asked, "answer_all",
        *(["answer_restarts"] if counted else []),
        *looked_through, "answer_all",
    ]  # fmt: skip
    return Script(join(prelude(environment), functions("probe"), *calls), timeout=120)


def last_words(environment: Environment, services: list[str]) -> Script:
    """The last lines of some services' newest containers, a section `last:<service>` each."""
    calls = [call("emit_last_lines", service) for service in services]
    return Script(join(prelude(environment), functions("probe"), *calls))


@dataclass(frozen=True)
class Tail:
    """Which lines of which services.

    lines: number of the last ones of each container. since: a duration or a time, as Compose reads it.
    everything: all lines since then, whatever their number.
    """

    services: tuple[str, ...]
    lines: int
    since: str = ""
    follow: bool = False
    everything: bool = False


def tail_logs(environment: Environment, wanted: Tail) -> Script:
    """The last lines of services' containers, with their times."""
    count = "all" if wanted.everything else int(wanted.lines)
    flags = f"--no-color --timestamps --tail {count}"
    flags += f" --since {call('', wanted.since).strip()}" if wanted.since else ""
    flags += " --follow" if wanted.follow else ""
    services = call("", *wanted.services).strip()
    text = join(prelude(environment), f"compose --ansi never logs {flags} {services}")
    return Script(text, timeout=_longest(wanted))


def _longest(wanted: Tail) -> int:
    """Seconds: days of lines take the server minutes."""
    if wanted.follow:
        return 86_400
    return 900 if wanted.everything else 60
