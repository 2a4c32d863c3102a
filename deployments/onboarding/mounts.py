"""What a bind mount of an ordinary Compose file is for: the code, files of the repository, or data."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.compose.references import split
from deployments.onboarding.repository import Repository

_PLACEHOLDERS = re.compile(r"(^|/)(\.git(keep|ignore|attributes)|\.keep|\.placeholder)$")
"""Files by which Git keeps a folder that is otherwise empty."""
_DATA_INSIDE = re.compile(
    r"/data(/db)?|/var/lib/[^/]+|/var/lib/postgresql/data|/bitnami/[^/]+(/data)?|/usr/share/elasticsearch/data"
)
"""Where images keep what they write. Folders below, such as Grafana's dashboards, may be the repository's."""
_DATA_NAMES = {"data", "storage", "uploads", "upload", "media", "backups", "logs"}
"""Of folders that applications write to, whatever else is committed there."""


def mount_of(entry: Any) -> tuple[str, str]:
    """Source, empty for an anonymous volume, and the path inside."""
    if isinstance(entry, Mapping):
        return str(entry.get("source", "")), str(entry.get("target", ""))
    source, *more = split(str(entry), ":")
    return (source, more[0]) if more and more[0] else ("", source)


def holds_data(path: str, target: str) -> bool:
    """Whether a container keeps its data in a folder. path: of the repository. target: in the container."""
    inside = target.rstrip("/")
    names = {posixpath.basename(path), posixpath.basename(inside)}
    return bool(_DATA_INSIDE.fullmatch(inside) or names & _DATA_NAMES)


def is_code(found: Repository, path: str, context: str) -> bool:
    """Whether an image that is built from `context` has what lies in a folder: its code."""
    built = context in (".", "") or f"{path}/".startswith(f"{context.rstrip('/')}/")
    return path == "." or (built and bool(found.below(path)))


def carried(found: Repository, path: str) -> list[str]:
    """Files of the repository below a folder, relative to it."""
    files = [f for f in found.in_folder(path) if not _PLACEHOLDERS.search(f)]
    return [f[len(path) + 1 :] for f in files]
