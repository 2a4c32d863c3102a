"""What a person may choose for the database of a rollback."""

from __future__ import annotations

from enum import StrEnum


class Choice(StrEnum):
    """What a rollback does with the database."""

    keep = "keep"
    downgrade = "downgrade"
    restore = "restore"
