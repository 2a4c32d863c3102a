"""What a bind mount of an ordinary Compose file is for: the code, files of the repository, or data."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.compose.references import split
from deployments.onboarding.bodies import build_of
from deployments.onboarding.repository import Repository

_PLACEHOLDERS = re.compile(r"(^|/)(\.git(keep|ignore|attributes)|\.keep|\.placeholder)$")
"""Files by which Git keeps a folder that is otherwise empty."""
_DATA_INSIDE = re.compile(
    r"/data(/db)?|/var/lib/[^/]+|/var/lib/postgresql/data|/bitnami/[^/]+(/data)?|/usr/share/elasticsearch/data"
)
"""Where images keep what they write. Folders below, such as Grafana's dashboards, may be the repository's."""
_DATA_NAMES = {"data", "storage", "uploads", "upload", "media", "backups", "logs"}
"""Of folders that applications write to, whatever else is committed there."""
_LIKELY_DATA = {*_DATA_NAMES, "db", "database", "state", "var"}
_SURELY_INSTALLED = {"node_modules", ".venv", ".next"}
_INSTALLED = {
    *_SURELY_INSTALLED, "bower_components", "vendor", "venv", "site-packages", "__pycache__", ".nuxt", ".svelte-kit",
    ".yarn", ".pnpm-store", "target", "dist", "build", "deps", "_build", ".gradle", ".m2",
}  # fmt: skip
"""Folders into which a build installs, or puts what it makes, below the code."""

_ONLY_READ = (
    ".sh", ".bash", ".sql", ".conf", ".cnf", ".cfg", ".ini", ".yml", ".yaml", ".toml", ".xml", ".properties",
    ".template", ".tmpl", ".tpl", ".j2", ".pem", ".crt", ".cer", ".key", ".pub", ".html", ".css", ".js", ".mjs",
    ".cjs", ".ts", ".tsx", ".jsx", ".py", ".rb", ".php", ".lua", ".vcl", ".acl", ".rules", ".md", "file",
)  # fmt: skip
"""Ends of names of settings and code, `Caddyfile` too: applications do not write to these."""


def mount_of(entry: Any) -> tuple[str, str]:
    """Source, empty for an anonymous volume, and the path inside."""
    if isinstance(entry, Mapping):
        return str(entry.get("source", "")), str(entry.get("target", ""))
    source, *more = split(str(entry), ":")
    return (source, more[0]) if more and more[0] else ("", source)


def is_read_only(entry: Any) -> bool:
    """Whether a container may not write to what is mounted."""
    if isinstance(entry, Mapping):
        return bool(entry.get("read_only"))
    return "ro" in ",".join(split(str(entry), ":")[2:]).split(",")


def is_script(path: str, text: str) -> bool:
    """Whether a file is there to be started. text: empty where it was not read."""
    return path.endswith((".sh", ".bash")) or text.startswith("#!")


def may_be_written(path: str, target: str) -> bool:
    """Whether an application may write to a file that is committed, and mounted at a target or below."""
    return not (path.endswith(_ONLY_READ) or target.startswith(("/etc/", "/docker-entrypoint")))


def holds_data(path: str, target: str) -> bool:
    """Whether a container keeps its data in a folder. path: of the repository. target: in the container."""
    inside = target.rstrip("/")
    names = {posixpath.basename(path), posixpath.basename(inside)}
    return bool(_DATA_INSIDE.fullmatch(inside) or names & _DATA_NAMES)


def is_code(found: Repository, body: Mapping[str, Any], path: str) -> bool:
    """Whether what lies in a folder is in the image of a service that is built here: its code."""
    if "build" not in body:
        return False
    context = build_of(found, body)[0]
    built = context in (".", "") or f"{path}/".startswith(f"{context.rstrip('/')}/")
    return path == "." or (built and bool(found.below(path)))


def is_installed(found: Repository, body: Mapping[str, Any], entry: Any) -> bool:
    """Whether a volume is there because the mount of the code, which no server has, hides what is installed.

    On a server the volume would hide it: it keeps what the first release's image had there. One that
    another service mounts elsewhere carries something between the two.
    """
    if not _shows_installed(found, body, entry):
        return False
    source = mount_of(entry)[0]
    mounts = [(b, e) for b in found.services.values() for e in b.get("volumes") or ()]
    shared = [(b, e) for b, e in mounts if source and mount_of(e)[0] == source]
    return all(_shows_installed(found, b, e) for b, e in shared)


def _shows_installed(found: Repository, body: Mapping[str, Any], entry: Any) -> bool:
    source, target = mount_of(entry)
    inside = target.rstrip("/")
    if "build" in body and not source and posixpath.basename(inside) in _SURELY_INSTALLED:
        return True
    below = [
        set(inside[len(code) :].split("/"))
        for code in _code_mounts(found, body)
        if inside.startswith(f"{code}/")
    ]
    return any(not parts & _LIKELY_DATA and (not source or parts & _INSTALLED) for parts in below)


def _code_mounts(found: Repository, body: Mapping[str, Any]) -> list[str]:
    """Paths inside at which the code is mounted that the image has."""
    mounts = [mount_of(entry) for entry in body.get("volumes") or ()]
    folders = [(found.path(s), t.rstrip("/")) for s, t in mounts if s.startswith((".", "~"))]
    return [
        inside for path, inside in folders
        if path not in found.files and not holds_data(path, inside) and is_code(found, body, path)
    ]  # fmt: skip


def carried(found: Repository, path: str) -> list[str]:
    """Files of the repository below a folder, relative to it."""
    files = [f for f in found.in_folder(path) if not _PLACEHOLDERS.search(f)]
    return [f[len(path) + 1 :] for f in files]
