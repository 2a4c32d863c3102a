"""Ports that services publish, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from deployments.compose.ports import numbers
from deployments.compose.references import interpolate, unfilled
from deployments.onboarding.repository import Repository

LOOPBACK = "127.0.0.1"


class Port(NamedTuple):
    """Published port, the container's, and the server's address that it is bound to; empty for all."""

    published: int
    own: int
    address: str

    @property
    def local(self) -> bool:
        """Whether only the server itself reaches it."""
        return self.address == LOOPBACK


def port_of(entry: Any, values: Mapping[str, str]) -> Port | None:
    """Of TCP; None for UDP, and where Docker chooses the port. values: of variables, as an example gives them."""
    if isinstance(entry, Mapping):
        if entry.get("protocol") == "udp":
            return None
        published, target = str(entry.get("published", "")), str(entry.get("target", ""))
        address = str(entry.get("host_ip", ""))
    else:
        text, _, protocol = interpolate(str(entry), values).partition("/")
        if protocol == "udp":
            return None
        head, _, target = text.rpartition(":")
        address, _, published = head.rpartition(":")
    outside, inside = (numbers(interpolate(text, values)) for text in (published, target))
    bound = _bound(interpolate(address, values))
    return Port(outside[0], inside[0], bound) if outside and inside else None


def _bound(address: str) -> str:
    """As a short entry of `ports` has it, where not everybody reaches it."""
    plain = address.strip("[]")
    if plain.startswith("127.") or plain in ("localhost", "::1"):
        return LOOPBACK
    if plain in ("", "0.0.0.0", "::"):  # noqa: S104  nothing is bound here
        return ""
    return f"[{plain}]" if ":" in plain else plain


def ports_of(body: Mapping[str, Any], values: Mapping[str, str]) -> list[Port]:
    """All of a service, what everybody reaches first: a debugger's port is bound to the laptop."""
    found = [port_of(entry, values) for entry in body.get("ports") or ()]
    return sorted((p for p in found if p), key=lambda p: bool(p.address))


def unknown(body: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Variables of a service's ports that nothing gives a value."""
    texts = [
        str(part)
        for entry in body.get("ports") or ()
        for part in (entry.values() if isinstance(entry, Mapping) else [entry])
    ]
    return sorted({name for text in texts for name in unfilled(text, values)})


def reached(found: Repository) -> set[int]:
    """Ports by which others reach what is built here."""
    built = [body for body in found.services.values() if "build" in body]
    every = (ports_of(body, found.examples()) for body in built)
    return {ports[0].published for ports in every if ports}
