"""Ports that a Compose file publishes, as numbers."""

from __future__ import annotations

import re


def numbers(text: str) -> range:
    """Ports of `8003`, `127.0.0.1:8003` or `8000-8010`; empty for what is no port."""
    match = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?", text.strip())
    if match is None:
        return range(0)
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if 0 < first <= last < 2**16 else range(0)
