"""Addresses of a laptop, which mean the server once the application runs there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from deployments.onboarding.adaptation import EDGE

_LOCAL = re.compile(r"((?:https?|wss?)://)(localhost|127\.0\.0\.1):(\d{1,5})")
_HOSTS = re.compile(r"(ALLOWED|TRUSTED)_HOSTS$")


def is_laptop(name: str, value: str, ports: Collection[int]) -> bool:
    """Whether a variable holds an address of whoever starts the application. ports: those published.

    A page that asks `localhost` asks its reader's own machine.
    """
    urls = any(int(match[3]) in ports for match in _LOCAL.finditer(value))
    return urls or (_is_hosts(name, value) and bool(ports))


def _is_hosts(name: str, value: str) -> bool:
    """Names that a framework answers to, where these are a laptop's."""
    return bool(_HOSTS.search(name)) and "localhost" in re.split(r"[,\s]+", value)


def in_url(address: str) -> str:
    """A host as a URL has it: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True)
class OnServer:
    """Values as they are on the server.

    address: its own, as others reach it. names: port to the name that it answers to by HTTPS.
    """

    address: str
    ports: Collection[int]
    names: Mapping[int, str] = field(default_factory=dict)

    def __call__(self, name: str, value: str) -> str:
        if self.ports and _is_hosts(name, value):
            # The edge's health checks name it as their host.
            separator = "," if "," in value else " "
            known = [*self.names.values(), self.address, EDGE]
            more = [host for host in known if host not in value]
            return separator.join([value, *more])
        return _LOCAL.sub(self._reached, value)

    def _reached(self, found: re.Match[str]) -> str:
        scheme, port = found[1].removesuffix("s://").removesuffix("://"), int(found[3])
        if port in self.names:
            return f"{scheme}s://{self.names[port]}"
        return f"{found[1]}{in_url(self.address)}:{port}" if port in self.ports else found[0]
