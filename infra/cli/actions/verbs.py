"""deploy, rollback and verify: pressed on the control plane, or run here over SSH."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from deployments.database.choice import Choice
from deployments.errors import HomeguruError, Interrupted, Locked, Refused, WrongUse
from deployments.verbs import traits
from infra.cli import show
from infra.cli.actions import summary
from infra.cli.actions.runner import Runner
from infra.cli.actions.server import remove_key, server_of_secrets
from infra.cli.actions.trust import trust
from infra.cli.printing import Printing
from infra.cli.run import run
from infra.environment import locate
from infra.environment.context import assemble
from infra.host import actor
from infra.look import inspection
from infra.orchestration.api.button import Cancelled, Press, Say, cancel
from infra.orchestration.api.client import PrefectApi


@dataclass
class Pressed:
    """What is known of a run for the job's page, however it ends."""

    verb: str
    environment: str
    result: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    page: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the step began."""
        return time.monotonic() - self.began


def deploy(runner: Runner, say: Say) -> None:
    """Bring the environment to a release; with HOMEGURU_DRY_RUN only say what would be done."""
    release = runner.release("HOMEGURU_RELEASE", "newest")
    if runner.yes("HOMEGURU_DRY_RUN"):
        _plan(runner, release, say)
    else:
        change(runner, "deploy", {"release": release}, say)


def rollback(runner: Runner, say: Say) -> None:
    """Bring an earlier release back, with HOMEGURU_DATABASE the database too."""
    database = os.environ.get("HOMEGURU_DATABASE") or "keep"
    if database not in list(Choice):
        raise WrongUse(
            f"not a choice for the database: {database!r}", state="untouched",
            todo=f"choose one of: {', '.join(list(Choice))}",
        )  # fmt: skip
    to = runner.release("HOMEGURU_RELEASE", "previous")
    change(runner, "rollback", {"to": to, "database": database}, say)


def verify(runner: Runner, say: Say) -> None:
    """Look at what runs; change nothing."""
    change(runner, "verify", {}, say)


def stop(runner: Runner, say: Say) -> None:
    """End the run that this job pressed, and remove what the job left on the runner."""
    remove_key(runner)
    trust(runner)
    api = PrefectApi.from_environment()
    if api is None:
        text = (
            "The job was cancelled. What it left unfinished on the server, "
            "the next run finishes or undoes first."
        )
        say(text)
        runner.summary(text)
        return
    try:
        cancelled = cancel(api, runner.key, say)
    finally:
        api.close()
    text = "The run on the control plane was cancelled." if cancelled else "No run was at work."
    say(text)
    runner.summary(text)


def change(runner: Runner, verb: str, parameters: dict[str, Any], say: Say) -> None:
    """Run a verb, and tell the job's page how it ended."""
    pressed = Pressed(verb, runner.environment)
    try:
        trust(runner)
        api = PrefectApi.from_environment()
        if api is None:
            _in_this_job(runner, pressed, parameters)
        else:
            _on_control_plane(runner, api, pressed, parameters, say)
    except HomeguruError as error:
        if _gives_way(verb, error):
            text = f"This look was skipped: {error.what}. The schedule's next one follows."
            say(text)
            runner.summary(text)
            return
        runner.summary(summary.failed(pressed.verb, pressed.environment, error, pressed.page))
        raise
    runner.summary(summary.done(pressed.result, pressed.rows, pressed.page, pressed.seconds))
    runner.output("release", str(pressed.result.get("release", "")))


def _gives_way(verb: str, error: HomeguruError) -> bool:
    """Whether a schedule's look met a run at work: a deploy verifies by itself, and nobody asked for this."""
    scheduled = os.environ.get("GITHUB_EVENT_NAME") == "schedule"
    return scheduled and traits(verb).only_looks and isinstance(error, Locked)


def _on_control_plane(
    runner: Runner, api: PrefectApi, pressed: Pressed, parameters: dict[str, Any], say: Say
) -> None:
    requester = actor.from_terminal()
    run_parameters = {"environment": pressed.environment, **parameters, "by": str(requester)}
    # The worker has a copy of the checkout's file: of this commit, if it was given that one.
    located = locate.own(pressed.environment)
    if located and traits(pressed.verb).changes_what_runs:
        run_parameters["configuration"] = located.configuration_of_checkout
    press = Press(api, pressed.verb, say)
    try:
        press.create(run_parameters, requester.tags, runner.key)
        pressed.page = press.page
        press.follow()
        pressed.result = press.outcome()
        pressed.rows = summary.rows(press.artifacts().get("services"))
    except Cancelled:
        raise
    except Interrupted:
        raise Interrupted(
            "the job was cancelled", state="as the run leaves it",
            todo="the job's next step cancels the run, which undoes what it began",
        ) from None  # fmt: skip
    finally:
        api.close()


def _in_this_job(runner: Runner, pressed: Pressed, parameters: dict[str, Any]) -> None:
    name = pressed.environment
    with server_of_secrets(runner, name):
        reason = os.environ.get("HOMEGURU_APPROVE", "")
        approval = locate.load(name).environment.approval
        if approval and not reason and not traits(pressed.verb).only_looks:
            raise Refused(
                f"environment {name} asks for approval", where=name, state="untouched",
                todo="say why in the form's field `approve`; required reviewers are a setting of "
                "the environment on GitHub",
            )  # fmt: skip
        pressed.result = run(
            pressed.verb, name, parameters, printing=Printing(), here=True, approve=reason
        )
    pressed.rows = summary.rows(pressed.result)


def _plan(runner: Runner, release: str, say: Say) -> None:
    """A plan is made over SSH: the control plane has no button for it."""
    name = runner.environment
    try:
        with server_of_secrets(runner, name):
            assembly = assemble(name)
            read = show.of_this_machine(assembly.located)
            say(f"from {read}")
            plan = inspection.plan_of(assembly, release, say)
    except HomeguruError as error:
        runner.summary(summary.failed("plan", name, error, ""))
        raise
    for what, why in plan.lines():
        say(f"{what:<20} {why}")
    runner.summary(summary.planned(name, plan, read))
