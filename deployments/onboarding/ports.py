"""Ports that services publish, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from deployments.compose.ports import numbers
from deployments.compose.references import interpolate
from deployments.onboarding.repository import Repository


class Port(NamedTuple):
    """Published port, the container's, and whether only the server itself reaches it."""

    published: int
    own: int
    local: bool


def port_of(entry: Any, values: Mapping[str, str]) -> Port | None:
    """Of TCP; None for UDP, and where Docker chooses the port. values: of variables, as an example gives them."""
    if isinstance(entry, Mapping):
        if entry.get("protocol") == "udp":
            return None
        published, target = str(entry.get("published", "")), str(entry.get("target", ""))
        local = str(entry.get("host_ip", "")).startswith("127.")
    else:
        text, _, protocol = interpolate(str(entry), values).partition("/")
        if protocol == "udp":
            return None
        head, _, target = text.rpartition(":")
        address, _, published = head.rpartition(":")
        local = address.startswith(("127.", "localhost", "[::1]"))
    outside, inside = (numbers(interpolate(text, values)) for text in (published, target))
    return Port(outside[0], inside[0], local) if outside and inside else None


def ports_of(body: Mapping[str, Any], values: Mapping[str, str]) -> list[Port]:
    """All of a service, what everybody reaches first: a debugger's port is bound to the laptop."""
    found = [port_of(entry, values) for entry in body.get("ports") or ()]
    return sorted((p for p in found if p), key=lambda p: p.local)


def reached(found: Repository) -> set[int]:
    """Ports by which others reach what is built here."""
    built = [body for body in found.services.values() if "build" in body]
    every = (ports_of(body, found.examples()) for body in built)
    return {ports[0].published for ports in every if ports}
