"""The environment's file and its secrets, as `init` writes them: what differs from the defaults."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.environment.documents import ANOTHER_APPLICATION
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.addresses import OnServer, in_url
from deployments.onboarding.ports import LOOPBACK
from deployments.onboarding.repository import Repository


@dataclass(frozen=True)
class Place:
    """Where it goes. compose: path of the Compose file from the environment's file."""

    name: str
    address: str
    user: str
    compose: str
    domain: str = ""


def environment_text(found: Repository, adaptation: Adaptation, place: Place) -> str:
    """TOML, with a word on what a person may want to change."""
    project = found.project
    lines = [
        f"# {place.name} of {found.name}. Every key: homeguru schema, and {ANOTHER_APPLICATION}",
        "v = 1",
        f"project = {_quoted(project)}",
        f"directory = {_quoted(f'/opt/{project}')}",
        f"compose = {_quoted(place.compose)}",
        "# Images are kept in a registry on the server. For one that several servers share, such as",
        "# ghcr.io, name it in both lines and add a [login].",
        'push_registry = "host"',
        f'pull_registry = "localhost:{registry_port(project)}"',
        f"repository = {_quoted(project + '/{service}')}",
        "",
        "[host]",
        f"address = {_quoted(place.address)}",
        f"user = {_quoted(place.user)}",
        f"key_file = {_quoted(f'~/.ssh/{project}_deploy')}",
        "# Filled in by homeguru's bootstrap, when you have compared the server's key.",
        "host_keys = []",
    ]  # fmt: skip
    lines += _table("dockerfiles", {n: _dockerfile(d) for n, d in adaptation.dockerfiles.items()})
    if adaptation.names:
        lines += _table("edge", {"domain": _quoted(place.domain)})
    routes = adaptation.routes
    by_port = {routes[route].listen: name for route, name in adaptation.names.items()}
    on_server = OnServer(place.address, {r.listen for r in routes.values()}, by_port)
    lines += _table("build", {n: _quoted(on_server(n, v)) for n, v in adaptation.build.items()})
    variables = sorted(adaptation.variables.items())
    lines += _table("variables", {n: _quoted(on_server(n, v)) for n, v in variables})
    if adaptation.secrets:
        names = ", ".join(_quoted(n) for n in sorted(adaptation.secrets))
        file = _quoted(f"{place.name}.secrets.env")
        lines += _table("secrets", {"file": file, "names": f"[{names}]"})
    urls = {
        n: f"https://{adaptation.names[n]}" if n in adaptation.names
        else f"http://{r.address or in_url(place.address)}:{r.listen}"
        for n, r in routes.items()
        # What only the server reaches is not asked from outside; a note says so.
        if n in adaptation.names or r.address != LOOPBACK
    }  # fmt: skip
    lines += _table("urls", {name: _quoted(url) for name, url in urls.items()})
    return "\n".join(lines) + "\n"


def asked_otherwise(place: Place, written: Mapping[str, Any]) -> list[str]:
    """Options of a later `init` which say something else than the file that is there.

    written: the file's TOML, as it was read. An option that was not given is empty in `place`.
    """
    host, edge = (
        table if isinstance(table := written.get(name), Mapping) else {}
        for name in ("host", "edge")
    )
    asked = {
        "--address": (place.address, host.get("address", "")),
        "--user": (place.user, host.get("user", "")),
        "--domain": (place.domain, edge.get("domain", "")),
    }
    return [
        f"{option} {wanted}, where the file has {has or 'none'}"
        for option, (wanted, has) in asked.items()
        if wanted not in ("", has)
    ]


def registry_port(project: str) -> int:
    """Port of the registry on the server, which two applications there do not share by chance.

    Below those that the system gives to connections, and above those that applications use.
    """
    return 20_000 + zlib.crc32(project.encode()) % 10_000


def _table(name: str, rows: dict[str, str]) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {value}" for key, value in rows.items())] if rows else []


def _dockerfile(named: dict[str, str]) -> str:
    file, context, target = (named[k] for k in ("file", "context", "target"))
    if context == "." and not target:
        return _quoted(file)
    parts = [f"file = {_quoted(file)}", f"context = {_quoted(context)}"]
    parts += [f"target = {_quoted(target)}"] if target else []
    return f"{{ {', '.join(parts)} }}"


def _quoted(text: str) -> str:
    # A JSON string is a basic string of TOML.
    return json.dumps(text, ensure_ascii=False)
