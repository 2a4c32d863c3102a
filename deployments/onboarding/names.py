"""Names that a service has besides its own, for others that reach it by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployments.compose.references import interpolate
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.facts import RepositoryFacts
from deployments.onboarding.repository import Repository

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_WHY = "two containers of it run while one takes over"


def keep_names(known: RepositoryFacts, to: Adaptation, name: str, body: Mapping[str, Any]) -> None:
    """Take away what only one container can have; the name leads to the service as before.

    The hostname of what is not built here stays: RabbitMQ names the folder of its data by it.
    """
    keys = ("container_name", "hostname") if "build" in body else ("container_name",)
    given = [key for key in keys if body.get(key)]
    for key in given:
        to.change(name, key, None, _WHY)
    # Without a network of its own nobody found it by that name, and nobody asks what has ended.
    if "network_mode" in body or name in known.once:
        return
    written = {str(body[key]): _host(known.found, str(body[key])) for key in given}
    lost = [text for text, host in written.items() if not host or _is_another(known, name, host)]
    for text in lost:
        to.notes.append(f"{name}: others no longer reach it as {text}, only as {name}: correct it where they do")  # fmt: skip
    aliases = [host for text, host in written.items() if text not in lost and host != name]
    if aliases:
        why = f"others still reach it as {' and '.join(dict.fromkeys(aliases))}"
        to.change(name, "networks", _with_aliases(body.get("networks"), aliases), why)


def _host(found: Repository, text: str) -> str:
    """A name with what examples give to variables in it; empty where it is none then."""
    host = interpolate(text, {**found.examples(), "COMPOSE_PROJECT_NAME": found.project})
    return host if _HOST.fullmatch(host) else ""


def _is_another(known: RepositoryFacts, name: str, host: str) -> bool:
    """Whether requests to another service would come here, too."""
    return host != name and host in known.found.services


def _with_aliases(networks: Any, aliases: list[str]) -> dict[str, dict[str, Any]]:
    """A service's networks, each with more names in it; two containers may share one."""
    if not isinstance(networks, Mapping):
        networks = dict.fromkeys(networks or ["default"])
    return {
        str(network): {
            **(its or {}),
            "aliases": list(dict.fromkeys([*((its or {}).get("aliases") or ()), *aliases])),
        }
        for network, its in networks.items()
    }
