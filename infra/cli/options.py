"""Options that several verbs share.

What a verb needs is imported when it runs: `--help` and a wrong option answer at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
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
    with writing(output):
        is_folder, has_folder = output.is_dir(), output.parent.is_dir()
    if is_folder:
        raise WrongUse(
            f"--output {output} is a folder", state="untouched", todo="name a file in that folder"
        )
    if not has_folder:
        raise WrongUse(
            f"no folder {output.parent} for --output",
            state="untouched",
            todo=f"mkdir -p {shlex.quote(str(output.parent))}",
        )


def check_output_in_place(output: Path | None) -> None:
    """The same, and raise WrongUse for a file that may not be written in its place; it stays as it is."""
    check_output_file(output)
    if output is None:
        return
    with writing(output):
        # A pipe is not opened, which waits for its reader, nor is a link to nothing followed.
        if output.is_file():
            output.open("ab").close()
        elif not output.exists() and not output.is_symlink():
            output.touch(exist_ok=False)
            output.unlink()


_ANOTHER_FILE = "name a file in a folder of yours with --output"


@contextmanager
def writing(output: Path, todo: str = _ANOTHER_FILE) -> Iterator[None]:
    """Raise WrongUse where the file of `--output` cannot be written while inside."""
    try:
        yield
    except OSError as error:
        raise WrongUse(
            f"{output} cannot be written: {error.strerror}", state="untouched", todo=todo
        ) from None
