"""Canonical JSON: the same value is the same text, so that it can be compared and hashed."""

from __future__ import annotations

import json
from typing import Any


def canonical(data: Any) -> str:
    """Sorted keys, no spaces, UTF-8."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
