"""A deploy at a terminal without a server: real flow, real undo, and a host that is slow.

`python -m tests.harness.long_run PHASE`: stands at a question (`ask`) or in a step (`step`).
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

from infra.cli.outcome import run
from infra.orchestration import settings
from infra.orchestration.flow import process

STEP, UNDO = "IN THE STEP", "IN THE UNDO"


def start() -> None:
    settings.configure()
    from infra.cli import layout
    from infra.cli.terminal import TerminalProgress
    from infra.machine import progress

    progress.watch(TerminalProgress(layout.console))
    process.entrypoint = lambda _: "tests.harness.long_run.deploy"
    process.run_flow("deploy", {"phase": sys.argv[1]})


def __getattr__(name: str) -> Any:
    """The flow, made when it is asked for: Prefect is imported after its settings are there."""
    if name != "deploy":
        raise AttributeError(name)
    from prefect import flow

    return flow(name="deploy")(_deploy)


def _deploy(phase: str) -> None:
    from deployments.history.ledger import Revision
    from deployments.planning.plan import Plan
    from infra.cli.printing import Printing
    from infra.cli.run import _answer
    from infra.orchestration.flow.artifacts import outcome
    from infra.orchestration.flow.tasks import as_task, log
    from infra.run.operation import Operation
    from infra.run.recorder import Recorder
    from infra.run.run import Run
    from infra.run.undo import Undo

    def run(_: object) -> None:
        recorder.begun = True
        as_task("replace web", lambda: _stand(STEP, 300))

    def undo(_: object) -> None:
        as_task("replace web", lambda: _stand(UNDO, 3))

    recorder = Recorder(SimpleNamespace(), revision=Revision(before="1", after="1"))  # type: ignore[arg-type]
    recorder.record = lambda *_, **__: None  # type: ignore[method-assign,assignment,return-value]
    host = SimpleNamespace(
        log=log, connected=True, stop_work=lambda: None, actor=SimpleNamespace(run="r"),
        observe=lambda _: SimpleNamespace(revision="1", current="1-x"),
        environment=SimpleNamespace(ssh="h", name="prod"),
    )  # fmt: skip
    executor = SimpleNamespace(
        send=lambda _: None, carry_out=run, undo=undo,
        recorded=lambda outcome, write: as_task("record", write),
    )  # fmt: skip
    planning = SimpleNamespace(undo=lambda *_, **__: None)
    this = Run(host, recorder)  # type: ignore[arg-type]
    way_back = Undo(this, None, planning, executor)  # type: ignore[arg-type]
    operation = Operation(this, None, planning, executor, way_back, None, None)  # type: ignore[arg-type]
    plan = SimpleNamespace(release="2-x", verb="deploy", changed=True)
    seen = SimpleNamespace(current="1-x", ledger=None)
    with outcome("prod"):
        if phase == "ask":
            _answer(Plan("deploy", "2-x", "x", "1-x", ()), "", "ada", Printing())
        operation.carry_out(SimpleNamespace(plan=plan, seen=seen))  # type: ignore[arg-type]


def _stand(where: str, seconds: float) -> None:
    print(f"\n{where}", flush=True)
    time.sleep(seconds)


if __name__ == "__main__":
    sys.exit(run(start))
