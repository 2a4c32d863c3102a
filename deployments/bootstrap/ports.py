"""Ports that other machines reach the application by."""

from __future__ import annotations

from dataclasses import replace

from deployments.compose.references import interpolate
from deployments.compose.stack import Stack
from deployments.environment.schema import Environment


def application_ports(environment: Environment, stack: Stack) -> tuple[int, ...]:
    """What its services publish, but for what only the server itself reaches. Sorted."""
    stack = stack.called_for(environment.variables)
    values = environment.variables
    public = tuple(
        (service, raw) for service, raw in stack.ports
        if not interpolate(raw, values).startswith(("127.", "localhost", "[::1]"))
    )  # fmt: skip
    return tuple(sorted({port for _, port in replace(stack, ports=public).published(values)}))
