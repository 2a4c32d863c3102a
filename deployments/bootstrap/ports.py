"""Ports that other machines reach the application by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from deployments.compose.ports import ANY, published
from deployments.compose.references import interpolate
from deployments.compose.stack import Stack
from deployments.environment.schema import Environment

_OWN = ("127.", "localhost", "[::1]", "::1")


def application_ports(environment: Environment, stack: Stack) -> tuple[int, ...]:
    """What its services publish by any protocol, but for what only the server itself reaches.

    Sorted.
    """
    stack = stack.called_for(environment.variables)
    values = environment.variables
    public = [
        (service, raw)
        for service in stack.services
        for entry in json.loads(stack.forms.get(service, "{}")).get("ports") or ()
        if not _address(entry, values).startswith(_OWN)
        for raw in published({"ports": [entry]}, ANY, of_several=True)
    ]
    return tuple(sorted({n for _, n in replace(stack, ports=tuple(public)).published(values)}))


def _address(entry: object, values: Mapping[str, str]) -> str:
    text = entry.get("host_ip") or "" if isinstance(entry, dict) else entry
    return interpolate(str(text), values)
