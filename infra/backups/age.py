"""age keys: whom a backup is encrypted for, and who can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]

from deployments.errors import WrongUse

Key = Any
"""A private age key; pyrage comes without types."""


def recipient(text: str) -> Any:
    """The public key that backups are made for; raises WrongUse."""
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise WrongUse(
            f"not an age recipient: {text!r}", state="untouched",
            todo="it reads age1...; age-keygen -o identity.txt makes one; keep that file elsewhere",
        ) from None  # fmt: skip


def identity(file: Path) -> Key:
    """The private key in a file of age-keygen; its text is in no message."""
    try:
        lines = [x.strip() for x in file.read_text().splitlines()]
        (key,) = [x for x in lines if x and not x.startswith("#")]
        return pyrage.x25519.Identity.from_str(key)
    except OSError as error:
        raise WrongUse(
            f"--identity: {error.strerror}",
            where=str(file),
            todo="name the file that age-keygen -o wrote",
        ) from None
    except (ValueError, pyrage.IdentityError):
        raise WrongUse(
            "not an age identity", where=str(file), todo="one line: AGE-SECRET-KEY-1..."
        ) from None
