"""How a run shows that it lives, and when it counts as dead."""

from __future__ import annotations

HEARTBEAT = 30
"""Seconds between two signs of life of a run: the least that Prefect allows."""

SILENT_AFTER = 90
"""Seconds without one after which a run counts as dead: one may be lost, one may be late."""

BEGINS_WITHIN = 600
"""Seconds that a claimed run has to begin: its worker may first have to pull an image."""
