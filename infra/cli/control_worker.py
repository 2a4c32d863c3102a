"""`homeguru control-plane worker`: carry out runs on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deployments.errors import WrongUse

MODULE = "infra.orchestration.worker"


def worker(
    pool: Annotated[str, typer.Option(help="The work pool whose runs it takes.")] = "homeguru",
    name: Annotated[
        str, typer.Option(help="What the server calls it; default: a random name.")
    ] = "",
) -> None:
    """Carry out runs as processes of this machine, until Ctrl-C; they begin at once."""
    if not os.environ.get("PREFECT_API_URL"):
        raise WrongUse(
            "no Prefect server is named, and a worker needs one", where="PREFECT_API_URL",
            state="untouched",
            todo="export PREFECT_API_URL=https://prefect.example.org/api, and PREFECT_API_AUTH_STRING where it "
            "asks for a password",
        )  # fmt: skip
    named = ["--name", name] if name else []
    # -P: the folder that the person stands in is not searched for modules.
    words = [sys.executable, "-P", "-m", MODULE, "--pool", pool, *named]
    os.execv(sys.executable, words)  # noqa: S606
