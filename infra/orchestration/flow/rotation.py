"""A rotation as a flow's steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from infra.environment import locate
from infra.environment.compose_cli import read_stack
from infra.environment.configs import SecretFiles
from infra.environment.context import assemble
from infra.orchestration.flow.artifacts import leave_result, outcome
from infra.orchestration.flow.tasks import as_task, log
from infra.orchestration.flow.vault import Blocks
from infra.orchestration.flow.who import current_actor
from infra.rotation.deploy_key import DeployKeyRotation, sharing
from infra.rotation.new_value import exchanged


@contextmanager
def another_value(environment: str, secret: str) -> Iterator[None]:
    """Another value where the secret is kept; the one of before again, where what follows fails."""
    with ExitStack() as change:
        with outcome(environment):
            blocks = Blocks(environment)
            assembly = as_task("read environment", lambda: assemble(environment, [blocks]))
            compose_file = assembly.located.compose_file
            files = SecretFiles(read_stack(compose_file), compose_file)
            new = exchanged(assembly, secret, [blocks, files], log)
            as_task("another value", lambda: change.enter_context(new))
        yield


def rotate_deploy_key(environment: str, by: str) -> dict[str, Any]:
    """Exchange the key that this machine deploys with."""
    with outcome(environment):
        located = as_task("read environment", lambda: locate.load(environment))
        actor = current_actor(by)
        log(f"asked for by {actor.who}, from {actor.origin}")
        done = DeployKeyRotation(sharing(located), log).carry_out(as_task)
    summary = {"environment": environment, "verb": "rotate", "changed": bool(done), "done": done}
    leave_result(environment, summary)
    return summary
