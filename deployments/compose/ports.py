"""Ports that a Compose file publishes, as numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any


def numbers(text: str) -> range:
    """Ports of `8003`, `127.0.0.1:8003` or `8000-8010`; empty for what is no port."""
    match = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?", text.strip())
    if match is None:
        return range(0)
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if 0 < first <= last < 2**16 else range(0)


TCP = frozenset({"", "tcp"})
ANY = TCP | {"udp", "sctp"}


def published(
    body: Mapping[str, Any], protocols: Collection[str] = TCP, *, of_several: bool = False
) -> list[str]:
    """Host ports of `8003:8003`, `127.0.0.1:${PORT:-8003}:8003` or the long form.

    of_several: also a range for one port inside, of which Compose takes one that is free.
    """
    ports = []
    for port in body.get("ports") or []:
        if isinstance(port, dict):
            outside, inside = str(port.get("published") or ""), str(port.get("target", ""))
            protocol = port.get("protocol", "tcp")
        else:
            text, _, protocol = str(port).partition("/")
            match = re.search(r"((?:\$\{[^}]*\}|\$\w+|[\d-])+):([^:]+)$", text)
            outside, inside = (match[1], match[2]) if match else ("", "")
        chosen = re.fullmatch(r"\d+-\d+", outside) and "-" not in inside
        if outside and protocol in protocols and (of_several or not chosen):
            ports.append(outside)
    return ports
