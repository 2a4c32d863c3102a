"""A Compose file that is meant to be read after another one, and is no application alone."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from typing import Any

from deployments.errors import WrongUse

_SOURCES = {"image", "build", "extends", "provider"}
"""Keys that say what a container is made of, or where that stands."""
_MERGED = ("compose.production.yml", "compose.merged.yml")
"""Names for what the two come to. The first is one that `init` takes by itself."""


def check_whole(path: str, compose: Mapping[str, Any], beside: Mapping[str, Any]) -> None:
    """Raises WrongUse for a file with a service of nothing.

    path: of the file, from the root of the repository. beside: Compose files of the same folder, by
    path, each as it was parsed, the likeliest one to be read before it first.
    """
    lacking = _without_source(compose)
    if not lacking:
        return
    base = next((p for p, other in beside.items() if _makes(other, lacking)), "")
    what = f"service {lacking[0]} has neither image nor build here"
    if not base:
        raise WrongUse(
            what, where=path, state="untouched",
            todo="add one of the two; or name another file: --compose FILE",
        )  # fmt: skip
    folder = posixpath.dirname(path)
    merged = next(m for name in _MERGED if (m := posixpath.join(folder, name)) != path)
    raise WrongUse(
        f"{what}: it changes a part of {base} and is not whole without that", where=path,
        state="untouched",
        todo=f"make one file of the two, in the repository: docker compose -f {shlex.quote(base)} "
        f"-f {shlex.quote(path)} config --no-interpolate --no-path-resolution > {shlex.quote(merged)}; "
        f"then name that one: --compose {shlex.quote(merged)}; or {base} alone: --compose {shlex.quote(base)}",
    )  # fmt: skip


def _without_source(compose: Mapping[str, Any]) -> list[str]:
    services = compose.get("services") or {}
    bodies = {str(n): b if isinstance(b, Mapping) else {} for n, b in services.items()}
    return [name for name, body in bodies.items() if not _SOURCES & body.keys()]


def _makes(compose: Any, services: list[str]) -> bool:
    """Whether another file says what each of these services is made of."""
    given = compose.get("services") if isinstance(compose, Mapping) else None
    bodies = [given.get(name) for name in services] if isinstance(given, Mapping) else [None]
    return all(isinstance(body, Mapping) and _SOURCES & body.keys() for body in bodies)
