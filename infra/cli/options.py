"""Options that several verbs share.

What a verb needs is imported when it runs: `--help` and a wrong option answer at once.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from deployments.errors import WrongUse


def _only() -> str:
    from infra.environment.locate import only

    return only()


def _environments(begun: str) -> list[str]:
    from infra.environment.locate import names

    return [name for name in names() if name.startswith(begun)]


def services_named(context: typer.Context, begun: str) -> list[str]:
    """Services that begin so, for the shell's completion."""
    from infra.environment.compose_cli import read_stack
    from infra.environment.locate import load

    located = load(context.params.get("env") or _only())
    return [name for name in read_stack(located.compose_file).services if name.startswith(begun)]


Env = Annotated[
    str,
    typer.Option(
        "--env", "-e", default_factory=_only, autocompletion=_environments, show_default="the only one",
        help="Environment, such as production.",
    ),
]  # fmt: skip
Release = Annotated[str, typer.Argument(help="Manifest's name, a file, newest, or current.")]
UpdateInfrastructure = Annotated[
    bool, typer.Option("--update-infrastructure", help="Database and edge follow the release too.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Here = Annotated[
    bool,
    typer.Option(
        "--here", envvar="HOMEGURU_HERE",
        help="Run in this process, though PREFECT_API_URL names a server.",
    ),
]  # fmt: skip
Approve = Annotated[
    str,
    typer.Option(
        "--approve",
        metavar="REASON",
        help="Approve the plan of a run in this process, and say why.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", help="A file instead of stdout.")]


def check_output_file(output: Path | None) -> None:
    """Raise WrongUse where `--output` can be no file, before the work is done."""
    if output is None:
        return
    if output.is_dir():
        raise WrongUse(
            f"--output {output} is a folder", state="untouched", todo="name a file in that folder"
        )
    if not output.parent.is_dir():
        raise WrongUse(
            f"no folder {output.parent} for --output",
            state="untouched",
            todo=f"mkdir -p {shlex.quote(str(output.parent))}",
        )
