"""Verbs that look at a server and change nothing."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from deployments.errors import Interrupted, Refused, WrongUse
from infra.cli import completion, layout, show
from infra.cli.assembled import assembled
from infra.cli.options import (
    Env,
    Json,
    Release,
    UpdateInfrastructure,
)
from infra.machine.imports import importing

Compared = Annotated[
    str,
    typer.Argument(
        help="Manifest's name, a file, a release id, newest, or current.",
        autocompletion=completion.compared,
    ),
]
_EVERY = 2.0
"""Seconds between two looks that somebody watches."""


def plan(
    env: Env,
    release: Release = "newest",
    update_infrastructure: UpdateInfrastructure = False,
    json: Json = False,
) -> None:
    """Show what deploy would do now; change nothing."""
    assembly = assembled(env)
    from infra.look import inspection

    show.read_from(assembly.located)
    planned = inspection.plan_of(
        assembly, release, layout.errors.print, update_infrastructure=update_infrastructure
    )
    layout.as_json(planned.to_dict()) if json else show.plan(planned)


def diff(
    env: Env, before: Compared = "current", after: Compared = "newest", json: Json = False
) -> None:
    """Show what differs between two releases.

    Commit, build values, images; without arguments what runs and the newest.
    """
    assembly = assembled(env)
    from deployments.release.difference import difference
    from infra.look import inspection

    found = inspection.manifests_of(assembly, [before, after], layout.errors.print)
    rows = difference(*found)
    if json:
        layout.as_json([{"what": w, "change": c} for w, c in rows])
    elif rows:
        layout.pairs(rows)
    else:
        layout.console.print(f"no difference: both are {found[0].name}", markup=False)


def status(
    env: Env, json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Again every two seconds, until Ctrl-C; with --json a document a line.")
    ] = False,
) -> None:  # fmt: skip
    """Show what runs now.

    Since when, and who deployed it.
    """
    assembly = assembled(env)
    from infra.look import inspection

    def tell(document: dict[str, Any], notes: list[str]) -> None:
        if json:
            layout.as_json(document)
            return
        if watch:
            layout.begin_again()
        show.status(document, notes)

    if not watch:
        tell(*inspection.status_of(assembly, layout.errors.print))
        return
    try:
        inspection.watch_status(assembly, layout.errors.print, tell, _EVERY)
    except Interrupted as stopped:
        # Ctrl-C is how one stops to watch.
        if "SIGINT" not in stopped.what:
            raise


def open_page(
    env: Env,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="One of [urls]; the only one by default.")
    ] = "",
) -> None:
    """Open the application's page in a browser."""
    with importing():
        from infra.environment.locate import load

    located = load(env)
    urls = located.environment.urls
    if not name and len(urls) == 1:
        name = next(iter(urls))
    if name not in urls:
        what = f"no address {name!r}" if name else f"{len(urls)} addresses: which one?"
        names = f"choose one of: {', '.join(urls)}"
        raise WrongUse(
            f"[urls] of the environment has {what}", where=str(located.file), state="not contacted",
            todo=names if urls else 'add one below [urls]: web = "https://example.org"',
        )  # fmt: skip
    url = urls[name]
    layout.console.print(url, highlight=False, markup=False)
    if sys.stdout.isatty():
        typer.launch(url)


def logs(
    env: Env,
    services: Annotated[
        list[str],
        typer.Argument(
            metavar="SERVICE",
            help="Services of the Compose file; all by default.",
            autocompletion=completion.services,
        ),
    ] = [],  # noqa: B006
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of each.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
    since: Annotated[
        str, typer.Option(help="From then on: 10m, 2h, or 2030-01-31T12:00:00Z.")
    ] = "",
    grep: Annotated[
        str,
        typer.Option(
            help="Only lines that match this expression: of the last 10,000, with --since of all since then."
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also the edge's health checks, one a second.")
    ] = False,
) -> None:
    """Show the last lines of services, with times."""
    assembly = assembled(env)
    from deployments.shell.probe import Tail
    from infra.look import inspection

    tail = Tail(tuple(services), lines, since, follow=follow)
    try:
        say = lambda text: layout.console.out(text)  # noqa: E731
        note = lambda text: layout.errors.out(f"note  {text}", highlight=False)  # noqa: E731
        code = inspection.logs_of(assembly, tail, say, note, checks=everything, grep=grep)
    except Interrupted:
        if not follow:
            raise
        # That is how one stops to follow.
        return
    if code != 0:
        raise Refused(
            f"Compose ended with code {code}",
            todo=f"is anything deployed there? homeguru status --env {env} shows what runs",
        )
