"""One verb on the sandbox without Prefect, which stops before one step until it is told to go on.

`python -m tests.e2e.faults.deployer VERB STEP [WORD [ENVIRONMENT]]` prints its steps as JSON, then `AT <step>`
when it stands there, and ends as the command line would. STEP `-` stops nowhere, `plan` runs none.
A rollback's WORD is a release, and after a space what becomes of the database (`downgrade`); a rotation's
is a secret, and after a space a file with a value that somebody gave out.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from deployments.database.choice import Choice
from deployments.errors import HomeguruError, Unreachable
from deployments.host.observation import Observation
from deployments.planning.plan import Step
from infra.environment.context import assemble
from infra.host.actor import Actor
from infra.host.session import Host
from infra.machine import signals
from infra.publish.manifests import find_manifest
from infra.rotation.given import give
from infra.rotation.new_value import exchanged
from infra.run.executor import Planned
from infra.run.operation import Operation, operation_on

PLAN = "plan"


def main(verb: str, stop: str, word: str = "", environment: str = "sandbox") -> int:
    signals.install()
    say = lambda text: print(f"  {text}", flush=True)  # noqa: E731
    if verb == "rotate":
        word, _, file = word.partition(" ")
        if file:
            give(word, Path(file).read_text().strip())
    with exchanged(assemble(environment), word, [], say) if verb == "rotate" else nullcontext():
        return _carried_out(verb, stop, word, environment)


def _carried_out(verb: str, stop: str, word: str, environment: str) -> int:
    assembly = assemble(environment)
    actor = Actor("faults@here", "cli", str(uuid.uuid4()))
    host = Host(assembly.located, actor, verb, lambda text: print(f"  {text}", flush=True))
    try:
        with assembly.registry() as registry:
            work = operation_on(assembly, assembly.configuration(), host, registry, _perform(stop))
            work.lock()
            work.observe()
            if work.run.seen.unfinished:
                work.recover(word if verb == "deploy" else "")
            work.start_database()
            planned = _planned(work, verb, word, work.run.seen)
            print(json.dumps([s.name for s in planned.plan.steps]), flush=True)
            if stop == PLAN:
                return 0
            report = work.carry_out(planned)
            took = {s.step: s.seconds for s in report.steps}
            print(json.dumps({"release": report.plan.release, "took": took}), flush=True)
            return 0
    except HomeguruError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    finally:
        host.close()


def _planned(work: Operation, verb: str, word: str, seen: Observation) -> Planned:
    planning = work.planning
    if verb == "rollback":
        name, _, choice = word.partition(" ")
        return planning.rollback(name, seen, Choice(choice or "downgrade"))
    if verb == "restore":
        return planning.restore(word or "newest", seen)
    if verb == "rotate":
        return planning.rotation(word, seen)
    manifest = find_manifest(work.targets.assembly.located, work.executor.registry, word)
    target = work.targets.published(manifest)
    return planning.migration(target, seen) if verb == "migrate" else planning.deploy(target, seen)


def _perform(stop: str) -> Callable[[Step, Callable[[], None]], None]:
    """Runs a step as a task would, its repetitions included."""

    def perform(step: Step, work: Callable[[], None]) -> None:
        if step.name == stop:
            print(f"AT {step.name}", flush=True)
            sys.stdin.readline()
        for attempt in range(3 if step.repeatable else 1):
            try:
                return work()
            except Unreachable:
                if attempt == (2 if step.repeatable else 0):
                    raise
                time.sleep(2)
        return None

    return perform


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
