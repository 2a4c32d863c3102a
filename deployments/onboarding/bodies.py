"""Parts of a service as people write them, in whichever of Compose's forms."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.compose.references import variable_name
from deployments.onboarding.repository import Repository

POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector)(:|$)")


def build_of(found: Repository, body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Context, Dockerfile, both from the root of the repository, and stage."""
    build = body["build"]
    if isinstance(build, str):
        build = {"context": build}
    context = found.path(str(build.get("context", ".")))
    file = posixpath.join(context, str(build.get("dockerfile", "Dockerfile")))
    return context, posixpath.normpath(file), str(build.get("target", ""))


def arguments_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Build arguments as they are written; of one that is named alone: a reference."""
    build = body["build"]
    given = (build.get("args") or {}) if isinstance(build, Mapping) else {}
    return environment_of({"environment": given})


def environment_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a service, whichever of its two forms the file has; without a value: a reference."""
    given = body.get("environment") or {}
    if isinstance(given, Mapping):
        return {
            str(k): f"${{{variable_name(str(k))}}}" if v is None else written(v)
            for k, v in given.items()
        }
    found = {}
    for line in map(str, given):
        name, equals, value = line.partition("=")
        found[name] = value if equals else f"${{{variable_name(name)}}}"
    return found


def written(value: Any) -> str:
    """A value of a Compose file as Compose hands it to a container."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def values_of(found: Repository, body: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a service, with those of its env files, each of these as a reference."""
    return {**found.of_env_files(body), **environment_of(body)}


def has_bare_names(body: Mapping[str, Any]) -> bool:
    """Whether a variable is named without a value: it would be that of whoever starts Compose."""
    given = body.get("environment") or {}
    if isinstance(given, Mapping):
        return None in given.values()
    return any("=" not in str(line) for line in given)


def waits_for(body: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in body.get("depends_on") or ()]


def condition_for(found: Repository, service: str) -> dict[str, str]:
    """A database is waited for until it is ready: it has a health check, or gets one."""
    body = found.services.get(service, {})
    ready = "healthcheck" in body or POSTGRES.search(str(body.get("image", "")))
    return {"condition": "service_healthy" if ready else "service_started"}
