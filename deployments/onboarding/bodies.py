"""Parts of a service as people write them, in whichever of Compose's forms."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.compose.references import (
    Reference,
    interpolate,
    parse,
    references,
    unfilled,
    variable_name,
)
from deployments.environment.secret_kinds import is_secret
from deployments.errors import WrongUse
from deployments.onboarding.repository import Repository

POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector)(:|$)")


def build_of(found: Repository, body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Context, Dockerfile, both from the root of the repository, and stage.

    With what examples of env files give to variables in them: a release asks the environment alone.
    """
    build = body["build"]
    if not build:
        raise WrongUse(
            "a service has an empty `build`", where=found.compose_file, state="untouched",
            todo="name the folder with its Dockerfile, `build: .`, or take `build` away: Compose refuses it, too",
        )  # fmt: skip
    given = {"context": build} if isinstance(build, str) else build
    if "dockerfile_inline" in given:
        raise WrongUse(
            "a service is built from `dockerfile_inline`, which no release reads", where=found.compose_file,
            state="untouched", todo="write it into a file, and name that: `dockerfile: FILE`",
        )  # fmt: skip
    usual = {"context": ".", "dockerfile": "Dockerfile", "target": ""}
    context, file, target = (
        _filled(found, str(given.get(key) or default)) for key, default in usual.items()
    )
    context = found.path(context)
    return context, posixpath.normpath(posixpath.join(context, file)), target


def _filled(found: Repository, text: str) -> str:
    if missing := unfilled(text, found.examples()):
        raise WrongUse(
            f"`build` has {text!r}, and nothing gives {', '.join(sorted(missing))} a value",
            where=found.compose_file, state="untouched",
            todo="give it a default there, ${NAME:-.}, or a value in .env.example",
        )  # fmt: skip
    return interpolate(text, found.examples())


def asking_for_nothing(found: Repository, value: Any) -> Any:
    """A `build` in which each variable has a default, as an example gives it; no secret's value is written."""
    if isinstance(value, Mapping):
        return {key: asking_for_nothing(found, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [asking_for_nothing(found, part) for part in value]
    return _with_defaults(found, value) if isinstance(value, str) else value


def _with_defaults(found: Repository, text: str) -> str:
    if all(default is not None for default in references(text).values()):
        return text
    written = []
    for part in parse(text):
        if isinstance(part, Reference) and part.how in ("", "?", ":?"):
            example = found.example(part.name)
            word = "" if is_secret(part.name, example) else example.replace("$", "$$")
            part = Reference(part.name, ":-", word)
        written.append(part.replace("$", "$$") if isinstance(part, str) else str(part))
    return "".join(written)


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
