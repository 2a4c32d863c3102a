"""Options that several verbs share.

What a verb needs is imported when it runs: `--help` and a wrong option answer at once.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from deployments.errors import WrongUse
from infra.cli import completion


def _only() -> str:
    from infra.environment.folders import only

    try:
        return only()
    except WrongUse:
        if completion.at_work():
            # `--env` may still be written.
            return ""
        raise


Env = Annotated[
    str,
    typer.Option(
        "--env", "-e", default_factory=_only, autocompletion=completion.environments, show_default="the only one",
        help="Environment, such as production.",
    ),
]  # fmt: skip
Release = Annotated[
    str,
    typer.Argument(
        help="Manifest's name, a file, newest, or current.", autocompletion=completion.published
    ),
]
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
