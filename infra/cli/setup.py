"""`homeguru setup`: bring a Prefect server to what prefect.yaml and the environments say."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.errors import WrongUse
from infra.cli import layout
from infra.orchestration.liveness import SILENT_AFTER


def setup(
    pools: Annotated[
        str,
        typer.Option("--pools", help="process or docker; without it as the server is set up."),
    ] = "",
    archive: Annotated[
        bool, typer.Option("--archive", help="Also what only a control plane has.")
    ] = False,
    silent_after: Annotated[
        int,
        typer.Option(
            "--silent-after",
            min=10,
            help="Seconds without a sign of life after which a run counts as crashed.",
        ),
    ] = SILENT_AFTER,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Register flows, schedules and limits on a Prefect server.

    Pools, deployments, limits, schedules and automations; a new environment is offered in the
    forms. A second call changes nothing.
    """
    from infra.orchestration.api.client import PrefectApi
    from infra.orchestration.setup import POOL_KINDS, apply, pools_of

    if pools and pools not in POOL_KINDS:
        raise WrongUse(f"no pools {pools!r}", todo=f"choose one of: {', '.join(POOL_KINDS)}")
    api = PrefectApi.from_environment()
    if api is None:
        raise WrongUse(
            "no Prefect server is named: PREFECT_API_URL is not set", state="not contacted",
            todo="export PREFECT_API_URL=https://HOST/api and PREFECT_API_AUTH_STRING=user:password, "
            "or start a server: homeguru control-plane up",
        )  # fmt: skip
    console = layout.errors if json else layout.console
    say = lambda text: console.out(text, highlight=False)  # noqa: E731
    try:
        changes = apply(
            api, say, pools=pools or pools_of(api), archive=archive, silent_after=silent_after
        )
    finally:
        api.close()
    if json:
        layout.as_json([vars(change) for change in changes])
