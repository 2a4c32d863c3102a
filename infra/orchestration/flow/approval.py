"""A person's yes before a plan runs: asked in Prefect's UI, or at this terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

import httpx
from prefect import runtime
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_RETRY_EXTRA_CODES,
    temporary_settings,
)
from pydantic import Field

from deployments.environment.schema import Environment
from deployments.errors import Refused
from deployments.history.gateway_log import approver, asked_by_nobody_known, not_another
from deployments.history.ledger import Approval
from deployments.messages import report
from deployments.planning.plan import Plan
from infra.host.actor import Actor
from infra.machine.sinks import clean
from infra.orchestration.flow.who import gateway_log

PATIENT = {PREFECT_CLIENT_MAX_RETRIES: 10, PREFECT_CLIENT_RETRY_EXTRA_CODES: {500, 504}}
"""A wait of hours outlives a restart of the server, or of its database, which it answers with 500."""

Ask = Callable[[Plan], Approval | None]
"""Asks the person at the terminal; None means no."""

_ask: ContextVar[Ask | None] = ContextVar("ask", default=None)


def ask_here(ask: Ask) -> None:
    """Ask this process's person instead of pausing the run."""
    _ask.set(ask)


def must_be_the_same(environment: Environment, plan: Plan, approved: str) -> None:
    """Raise Refused when what would run now is not the plan of that fingerprint."""
    if plan.changed and plan.fingerprint != approved:
        raise Refused(
            f"the plan is {plan.fingerprint} now; approved was {approved or 'none'}",
            where=environment.ssh,
            state=f"runs {plan.previous}, unchanged" if plan.previous else "untouched",
            todo="somebody changed the server meanwhile: start again, and look at the new plan",
        )


def asks_here() -> bool:
    """Whether somebody at a terminal answers, so that nobody need be called."""
    return _ask.get() is not None


class Decision(RunInput):
    """The form of a run that waits."""

    approver: str = Field(
        min_length=1, description="Your name; behind a gateway its account stands beside it."
    )
    reason: str = Field(min_length=1, description="Why this plan may run now.")


def approved(environment: Environment, plan: Plan, actor: Actor, read: str = "") -> Approval:
    """Wait for a person's yes; raises Refused when none comes in time.

    actor: who asked for the run. read: whose file the environment was read from.
    """
    ask = _ask.get()
    if environment.approval == "another":
        _check_asker(environment, actor, here=ask is not None)
    approval = ask(plan) if ask else _in_the_ui(environment, plan, read)
    if approval is None:
        raise _refused(environment, "the plan was not approved")
    why = not_another(actor.account, approval.account) if environment.approval == "another" else ""
    if why:
        raise _needs_another(environment, why)
    return approval


def _check_asker(environment: Environment, actor: Actor, *, here: bool) -> None:
    """Raise Refused before anybody is asked in vain."""
    if here:
        raise _needs_another(environment, "who approves at a terminal or in a job is not proven")
    if why := asked_by_nobody_known(actor.account, actor.origin):
        raise _needs_another(environment, why)


def _needs_another(environment: Environment, why: str) -> Refused:
    return Refused(
        f'{why}: approval is "another"', where=environment.name, state="unchanged",
        todo="start it through the control plane with a person's own account, in Prefect's UI or at a "
        "terminal, and let another person approve it in Prefect's UI",
    )  # fmt: skip


def _in_the_ui(environment: Environment, plan: Plan, read: str) -> Approval | None:
    seconds = environment.approval_minutes * 60
    # Who answers in the dialog sees there what is answered, not only in the artifact.
    form = Decision.with_initial_data(description=clean(report.plan_markdown(plan, read)))
    try:
        with temporary_settings(PATIENT):
            # Without a key each question of a run has an answer of its own: a plan may ask again under the lock.
            decision = pause_flow_run(form, timeout=seconds, poll_interval=2)
    except httpx.HTTPError:
        raise _refused(environment, "Prefect was away for long while the plan waited") from None
    except FlowPauseTimeout:
        message = f"nobody approved the plan within {environment.approval_minutes} min"
        raise _refused(environment, message) from None
    if decision is None:
        return None
    return Approval(who=decision.approver, reason=decision.reason, account=_account())


def _account() -> str:
    """Account that approved; the gateway writes a request down when it has answered it."""
    for _ in range(10):
        entries = gateway_log()
        if (account := approver(entries, str(runtime.flow_run.id))) or not entries:
            return account
        time.sleep(0.3)
    return ""


def _refused(environment: Environment, what: str) -> Refused:
    return Refused(
        what, where=environment.name, state="unchanged",
        todo="start it again when somebody can approve it; at a terminal: --approve REASON",
    )  # fmt: skip
