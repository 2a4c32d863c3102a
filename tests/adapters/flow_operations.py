"""A flow's operation whose inner one is a stand-in: what is said and left around the work."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from infra.orchestration.flow.operation import FlowOperation
from infra.run.run import Run


def flow_operation(
    environment: Any = None, host: Any = None, recorder: Any = None, **inner: Any
) -> FlowOperation:
    """inner: methods of the operation that it holds."""
    environment = environment or SimpleNamespace(name="prod", ssh="u@h")
    assembly = SimpleNamespace(
        located=SimpleNamespace(environment=environment), notice_urls=lambda: None
    )
    run = Run(host or SimpleNamespace(actor="ada", close=lambda: None, patience=0), recorder)
    return FlowOperation(assembly, SimpleNamespace(run=run, **inner), ExitStack())  # type: ignore[arg-type]
