"""Running a verb: on the Prefect server that is configured, or in this process."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from deployments.errors import Refused, StepFailed, WrongUse
from deployments.verbs import traits
from infra.cli import layout, show
from infra.cli.printing import Printing
from infra.cli.terminal import TerminalProgress
from infra.machine import progress, signals
from infra.machine.imports import importing

if TYPE_CHECKING:
    from deployments.history.ledger import Approval
    from deployments.history.requester import Requester
    from deployments.planning.plan import Plan
    from infra.environment.locate import Located

Parameters = Mapping[str, str | bool]
"""Of a flow, by name; every run has its environment and who asked besides."""


_NO = frozenset({"", "n", "no", "н", "нет"})
_YES = frozenset({"y", "yes", "ok", "д", "да"})


def run(
    verb: str, env: str, flow_parameters: Parameters, *, printing: Printing, here: bool,
    approve: str = "",
) -> Any:  # fmt: skip
    """Run a verb; its run stays in Prefect's history. Returns its summary.

    flow_parameters: the flow's own. With a server configured the run is created there and
    followed here. What is published from a folder of this machine is published here.
    """
    from infra.orchestration.flow import embedded

    # Where no server is named: before what follows is imported, which takes seconds as that does.
    embedded.begin()
    with importing():
        from deployments.environment.sources import is_url
        from infra.environment import locate
        from infra.host import actor
        from infra.publish.clone import refuse_credentials

    located = locate.load(env)
    requester = actor.from_terminal()
    parameters = {"environment": env, **flow_parameters, "by": str(requester)}
    source = str(flow_parameters.get("source", ""))
    refuse_credentials(source)
    if approve and not here and _server():
        raise WrongUse(
            "--approve is for a run in this process, and PREFECT_API_URL names a server",
            state="untouched", todo="answer on the run's page there, or run it here with --here",
        )  # fmt: skip
    if traits(verb).publishes_and_deploys and not here and _server():
        # Two runs, each of which can be followed; a run inside a run cannot.
        published = run("publish", env, flow_parameters, printing=printing, here=False)
        return run("deploy", env, {"release": _named(published)}, printing=printing, here=False)
    if here or not _server() or (traits(verb).only_publishes and not is_url(source)):
        return _in_this_process(verb, located, parameters, approve, requester, printing)
    if "release" in parameters:
        from infra.publish.manifests import name_of

        parameters["release"] = name_of(str(parameters["release"]))
    if traits(verb).changes_what_runs:
        # What a plan of this machine's files says: the worker's must be the same.
        parameters["configuration"] = located.configuration
    return _on_server(verb, parameters, requester, printing)


def _named(published: dict[str, Any]) -> str:
    if "name" not in published:
        raise StepFailed(
            "the release was published, and its name was not kept", state="unchanged",
            todo="the publication's page tells it: homeguru deploy NAME --env ENVIRONMENT",
        )  # fmt: skip
    return str(published["name"])


def _server() -> bool:
    return bool(os.environ.get("PREFECT_API_URL"))


def on_a_server(*, here: bool) -> bool:
    """Whether a worker runs the verb, and not this process."""
    return _server() and not here


def _in_this_process(
    verb: str, located: Located, parameters: dict[str, Any], approve: str, requester: Requester,
    printing: Printing,
) -> Any:  # fmt: skip
    threading.Thread(target=_prepare, args=(verb, located), daemon=True).start()
    with importing():
        from infra.host import actor
        from infra.orchestration.flow import approval, process

    check_server()
    actor.claim(requester)
    progress.watch(TerminalProgress(printing.progress))
    if approve or sys.stdin.isatty():
        approval.ask_here(lambda plan: _answer(plan, approve, requester.who, printing))
    elif not _server():
        # Prefect's own server ends with this process: nobody could answer there.
        approval.ask_here(lambda plan: _nobody(plan, printing))
    return process.run_flow(verb, parameters)


def _prepare(verb: str, located: Located) -> None:
    """What the flow will ask for, while Prefect's server starts: it finds it there.

    What is wrong is the flow's to say.
    """
    from infra.environment.compose_cli import read_stack
    from infra.ssh.ahead import connect_ahead

    with suppress(Exception):
        read_stack(located.compose_file)
    with suppress(Exception):
        if not traits(verb).only_publishes:
            connect_ahead(located.environment, located.key_file)


def check_server() -> None:
    """Ask the server that is named: Prefect's own client would answer a wrong login with a traceback."""
    from infra.orchestration.api.client import PrefectApi

    if not _server():
        return
    api = PrefectApi.from_environment()
    assert api is not None
    try:
        api.first_contact()
    finally:
        api.close()


def _answer(plan: Plan, reason: str, who: str, printing: Printing) -> Approval | None:
    """The person's reason for this plan; None when there is none."""
    from deployments.history.ledger import Approval

    if not reason:
        to = printing.questions
        show.plan(plan, to)
        reason = _reason(err=to is layout.errors)
    return Approval(who=who, reason=reason) if reason.strip() else None


def _reason(*, err: bool) -> str:
    """Why, in a person's words: a bare no is one, and a bare yes says nothing that a ledger could keep."""
    question = "Approve? Say why (empty or no: not approved)"
    while True:
        reason: str = typer.prompt(question, default="", show_default=False, err=err)
        if reason.strip().lower() in _NO:
            return ""
        if reason.strip().lower() not in _YES:
            return reason
        question = "And why? The ledger keeps it (empty or no: not approved)"


def _nobody(plan: Plan, printing: Printing) -> NoReturn:
    show.plan(plan, printing.questions)
    raise Refused(
        f"plan {plan.fingerprint} needs approval, and there is no terminal to ask at",
        state=f"runs {plan.previous}, unchanged" if plan.previous else "untouched",
        todo="start the workflow by hand, with the reason in its field `approve`"
        if os.environ.get("GITHUB_ACTIONS")
        else "run the same command with --approve REASON when the plan is right",
    )  # fmt: skip


def _on_server(
    verb: str, parameters: dict[str, Any], requester: Requester, printing: Printing
) -> Any:
    from infra.orchestration.api.button import press
    from infra.orchestration.api.client import PrefectApi

    signals.begin_work()
    api = PrefectApi.from_environment()
    assert api is not None
    try:
        return press(
            # What is sent again after a time-out is the same press.
            api, verb, parameters, tags=requester.tags, key=f"cli-{uuid.uuid4()}",
            say=lambda line: printing.progress.print(f"  {line}", markup=False),
        )  # fmt: skip
    finally:
        api.close()
