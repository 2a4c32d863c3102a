"""Compose's `configs` and `secrets`: their content reaches the server without files of their own.

A config's content stands in a second document of the Compose file, which Compose merges into the
first; a secret's is a line of `secrets.env`. Compose copies both into each container that it makes.
Its own hash of a service does not cover what they hold, so a label does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from deployments.canonical import canonical
from deployments.compose.references import references

LABEL = "org.homeguru.files"
"""Label of a container with a hash of what its configs and secrets hold."""

LIMIT = 500_000
"""Bytes of one config or secret: what Docker takes."""

KINDS = ("configs", "secrets")
# YAML reads these raw as a line break, or not at all.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def variable_of(secret: str) -> str:
    """The variable whose value a secret from a file gets: `db-password` is DB_PASSWORD."""
    return re.sub(r"[^A-Z0-9]+", "_", secret.upper()).strip("_")


def used(config: dict[str, Any], services: Collection[str], kind: str) -> dict[str, dict[str, Any]]:
    """The configs or secrets that some services are given, with what the file says of each."""
    bodies = config.get(kind) or {}
    names = {n for service in services for n in _names(config["services"][service], kind)}
    return {name: bodies.get(name) or {} for name in sorted(names)}


def with_contents(body: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """A service's form with what each of its configs and secrets holds, and where it is put."""
    form = dict(body)
    for kind in KINDS:
        if entries := body.get(kind):
            definitions = config.get(kind) or {}
            form[kind] = [{**e, **_content(definitions.get(e["source"]) or {})} for e in entries]
    if LABEL in (body.get("labels") or {}):
        form["labels"] = {n: v for n, v in body["labels"].items() if n != LABEL}
    return form


def secret_variables(form: dict[str, Any]) -> frozenset[str]:
    """Variables that reach a service as a file under /run/secrets."""
    return frozenset(references(json.dumps(form.get("secrets") or [])))


def document(
    contents: Mapping[str, str], secrets: Mapping[str, str], labels: Mapping[str, str]
) -> str:
    """A second document for the Compose file; empty where no service has a config or a secret.

    contents: config to what its file holds. secrets: secret to its variable. labels: service to
    what its label says. JSON is YAML, but for the tag that takes the file's path away.
    """
    if not labels:
        return ""
    parts = {
        "configs": [_entry(n, "content", _literal(text)) for n, text in contents.items()],
        "secrets": [_entry(n, "environment", name) for n, name in secrets.items()],
        "services": [
            f"{_quoted(n)}: {_quoted({'labels': {LABEL: label}})}" for n, label in labels.items()
        ],
    }
    bodies = [
        f'"{key}": {{\n  ' + ",\n  ".join(lines) + "\n}" for key, lines in parts.items() if lines
    ]
    return "---\n{" + ",\n".join(bodies) + "}\n"


def labels(
    config: dict[str, Any], services: Collection[str], values: Mapping[str, str]
) -> dict[str, str]:
    """Service to a hash of its configs and secrets with the values in them; only those with some.

    config: with contents in the place of files. values: variables and secrets. Whoever can read a
    container's labels can read its files too.
    """
    digests = {}
    for service in sorted(services):
        body = with_contents(config["services"][service], config)
        files = [body.get(kind) or [] for kind in KINDS]
        if any(files):
            names = sorted(references(json.dumps(files)))
            contents = [files, [[name, values.get(name)] for name in names]]
            digests[service] = hashlib.sha256(canonical(contents).encode()).hexdigest()[:16]
    return digests


def filled(
    config: dict[str, Any], contents: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, Any]:
    """Compose's form with contents and variables in the place of files."""
    configs = {name: {"content": _literal(text)} for name, text in contents.items()}
    variables = {name: {"environment": variable} for name, variable in secrets.items()}
    return {
        **config,
        "configs": {**(config.get("configs") or {}), **configs},
        "secrets": {**(config.get("secrets") or {}), **variables},
    }


def problems(
    config: dict[str, Any], services: Collection[str], beside: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str]]:
    """What of them cannot reach a container, and what to do about it.

    beside: names under `configs` and `secrets` whose file lies next to the Compose file; any other
    file is the server's own, and Compose mounts it.
    """
    for service in sorted(services):
        body = config["services"][service]
        copied = [
            name
            for kind in KINDS
            for name in _names(body, kind)
            if name in beside[kind] or not used(config, [service], kind)[name].get("file")
        ]
        if body.get("read_only") and copied:
            yield (
                f"service {service} is `read_only`, and Compose copies {copied[0]} into it",
                "give what it holds under `environment`, or take `read_only` away",
            )
    for kind in KINDS:
        for name, body in used(config, services, kind).items():
            if body.get("external"):
                yield (
                    f"{kind}.{name} is external: only Docker Swarm has such ones",
                    "name its `file`, or for a secret the variable: `environment: NAME`",
                )
    by_variable: dict[str, str] = {}
    for name in sorted(beside["secrets"]):
        other = by_variable.setdefault(variable_of(name), name)
        if other != name:
            yield (
                f"secrets {other} and {name} would have one variable, {variable_of(name)}",
                "rename one of them",
            )


def _names(body: dict[str, Any], kind: str) -> list[str]:
    return [str(entry["source"]) for entry in body.get(kind) or []]


def _content(body: dict[str, Any]) -> dict[str, str]:
    if body.get("environment"):
        return {"content": f"${{{body['environment']}}}"}
    return {key: str(body[key]) for key in ("content", "file") if body.get(key) is not None}


def _literal(text: str) -> str:
    """As a file has it: Compose fills no variables in."""
    return text.replace("$", "$$")


def _entry(name: str, key: str, value: str) -> str:
    return f'{_quoted(name)}: {{"file": !reset null, {_quoted(key)}: {_quoted(value)}}}'


def _quoted(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
