"""A bootstrap as a flow's steps."""

from __future__ import annotations

from typing import Any

from infra.bootstrap.entry import RootLogin, login_here
from infra.bootstrap.preparation import Ask, Preparation
from infra.environment import locate
from infra.orchestration.flow.artifacts import leave_result, outcome
from infra.orchestration.flow.tasks import as_task, log
from infra.orchestration.flow.who import current_actor


def prepare_host(
    environment: str, enter_as: str, administrator: str, administrator_key: str,
    keep_open: list[int], close_others: bool, by: str,
) -> dict[str, Any]:  # fmt: skip
    """Make the environment's machine a host that a deploy accepts; what it has already stays."""
    with outcome(environment):
        located = as_task("read environment", lambda: locate.load(environment))
        actor = current_actor(by)
        log(f"asked for by {actor.who}, from {actor.origin}")
        # A worker has the deploy key and no person's.
        login = login_here() or RootLogin((enter_as,), located.key_file)
        ask = Ask(login, administrator, administrator_key, tuple(keep_open), close_others)
        taken = Preparation(located, ask, log).carry_out(as_task, actor.who)
    summary = {
        "environment": environment, "verb": "bootstrap", "changed": bool(taken),
        "steps": [{"kind": step.kind, "what": step.what} for step in taken],
    }  # fmt: skip
    leave_result(environment, summary)
    return summary
