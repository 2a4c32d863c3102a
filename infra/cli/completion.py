"""What the shell suggests for a word that is being typed, from what lies on this machine.

No server is asked. What fails suggests nothing and prints nothing: it would be printed into the line
that somebody types.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from infra.machine.known_names import KnownName, KnownNames

Suggestions = list[tuple[str, str]]
"""Words, each with what some shells show beside it."""


def at_work() -> bool:
    """Whether the shell asks for suggestions, and no command runs."""
    return "_HOMEGURU_COMPLETE" in os.environ


def _quietly(
    suggest: Callable[[typer.Context], Suggestions],
) -> Callable[[typer.Context, str], Suggestions]:
    def suggested(context: typer.Context, begun: str) -> Suggestions:
        try:
            return [each for each in suggest(context) if each[0].startswith(begun)]
        except Exception:
            return []

    return suggested


@_quietly
def environments(_: typer.Context) -> Suggestions:
    """Environments that can be named."""
    from infra.environment.folders import names

    return [(name, "") for name in names()]


@_quietly
def services(context: typer.Context) -> Suggestions:
    """Services, as a command last read them; where none did, Compose reads them now."""
    if known := _known(context).services:
        return [(service.name, "") for service in known]
    from infra.environment.compose_cli import read_stack
    from infra.environment.locate import load

    located = load(str(context.params["env"]))
    return [(name, "") for name in read_stack(located.compose_file).services]


@_quietly
def secrets(context: typer.Context) -> Suggestions:
    """Secrets of the environment, and its deploy key."""
    from deployments.environment.secret_kinds import DEPLOY_KEY
    from infra.environment.locate import load

    names = load(str(context.params["env"])).environment.secret_names
    return [(name, "") for name in (DEPLOY_KEY, *names)]


@_quietly
def published(context: typer.Context) -> Suggestions:
    """What `deploy` takes: manifests' names."""
    return _published(context)


@_quietly
def compared(context: typer.Context) -> Suggestions:
    """What `diff` takes: those, and release ids."""
    known = _known(context)
    return [*_published(context), *((r.name, _deployed(r, known)) for r in known.releases)]


@_quietly
def earlier(context: typer.Context) -> Suggestions:
    """What `rollback` takes: releases, without the one that runs."""
    known = _known(context)
    others = [release for release in known.releases if release.name != known.current]
    return [
        ("previous", "the release before"),
        *((release.name, _deployed(release, known)) for release in others),
    ]


@_quietly
def backups(context: typer.Context) -> Suggestions:
    """What `restore` takes."""
    return [("newest", "the newest backup"), *_of_backups(_known(context).backups)]


@_quietly
def copies(context: typer.Context) -> Suggestions:
    """What `fetch` takes: ids in the store; until somebody listed that, those of the server."""
    known = _known(context)
    return _of_backups(known.copies or known.backups)


def _known(context: typer.Context) -> KnownNames:
    from infra.environment.folders import file_of
    from infra.machine.known_names import KnownNames, known_names

    # Written already on the line, or the only one.
    name = str(context.params.get("env") or "")
    file = file_of(name) if name else None
    return known_names(name, file) if file else KnownNames()


def _published(context: typer.Context) -> Suggestions:
    known, name = _known(context), re.escape(str(context.params.get("env")))
    dates = {r.name.partition("-")[2]: _deployed(r, known) for r in reversed(known.releases)}
    dates |= {m.name: f"committed {_date(m)}" for m in known.manifests if m.name not in dates}
    own = re.compile(rf"{name}-(sha|src)-[0-9a-f]{{12}}")
    return [
        ("newest", "published last"), ("current", "the release that runs"),
        *((release, date) for release, date in dates.items() if own.fullmatch(release)),
    ]  # fmt: skip


def _deployed(release: KnownName, known: KnownNames) -> str:
    runs = ", runs now" if release.name == known.current else ""
    return f"deployed {_date(release)}{runs}"


def _of_backups(known: Iterable[KnownName]) -> Suggestions:
    from infra.cli.show import size

    return [(b.name, f"{_date(b)}, {size(b.bytes)}" if b.bytes else _date(b)) for b in known]


def _date(known: KnownName) -> str:
    """`2030-01-31 12:00 UTC`."""
    return f"{known.at[:10]} {known.at[11:16]} UTC" if known.at else "at a time not known"
