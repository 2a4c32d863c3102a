"""A Compose file of ordinary use, as one that can be deployed: each change with its reason."""

from __future__ import annotations

import re
from typing import Any

from deployments.onboarding import secrets
from deployments.onboarding.adaptation import EDGE, EDGE_IMAGE, Adaptation, Edit
from deployments.onboarding.bodies import arguments_of, build_of, environment_of, waits_for
from deployments.onboarding.migrations import add_migrations
from deployments.onboarding.repository import Repository
from deployments.onboarding.service import OrdinaryService


def adapt(found: Repository) -> Adaptation:
    """Go through the services one after another; nothing of the repository is changed."""
    adaptation = Adaptation()
    images = _image_variables(found)
    passwords = _literal_passwords(found)
    for name, body in found.services.items():
        OrdinaryService(found, adaptation, name, body, passwords).adapt(images[name])
    add_migrations(found, adaptation, images)
    _add_edge(found, adaptation)
    own = [n for n in _in_order(found) if n not in adaptation.infrastructure]
    adaptation.order = [
        *[n for n in _in_order(found) if n in adaptation.infrastructure],
        *([EDGE] if adaptation.routes else []),
        *own,
    ]
    adaptation.edits.append(Edit(("x-deploy",), _x_deploy(adaptation), "what Compose cannot say"))
    return adaptation


def _in_order(found: Repository) -> list[str]:
    """Services as the file has them, each after those that it waits for."""
    done: dict[str, None] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in found.services and name not in done and name not in above:
            for before in waits_for(found.services[name]):
                add(before, (*above, name))
            done[name] = None

    for name in found.services:
        add(name, ())
    return list(done)


def _image_variables(found: Repository) -> dict[str, str]:
    """Service to its image's variable; who is built alike has the same one."""
    by_build: dict[tuple[str, ...], str] = {}
    names: dict[str, str] = {}
    for name, body in found.services.items():
        variable = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") + "_IMAGE"
        if "build" in body:
            alike = (*build_of(body), str(sorted(arguments_of(body).items())))
            variable = by_build.setdefault(alike, variable)
        names[name] = variable
    return names


def _literal_passwords(found: Repository) -> dict[str, str]:
    """Passwords that stand in the file, to the variable that takes their place."""
    return {
        value: name
        for body in found.services.values()
        for name, value in environment_of(body).items()
        if value and "$" not in value and secrets.is_secret(name) and len(value) > 2
    }


def _add_edge(found: Repository, to: Adaptation) -> None:
    if not to.routes:
        return
    to.infrastructure[EDGE] = EDGE_IMAGE
    edge = {
        "image": "${EDGE_IMAGE}", "restart": "unless-stopped",
        "command": ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
        "stop_signal": "SIGUSR1", "stop_grace_period": "30s",
        "ports": [
            f"{f'{r.address}:' if r.address else ''}{r.listen}:{r.listen}" for r in to.routes.values()
        ],
        "volumes": ["./edge:/usr/local/etc/haproxy:ro"],
        "healthcheck": {
            "test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9999 && echo show info >&3 && grep -q Name: <&3"],
            "interval": "10s", "start_period": "20s", "start_interval": "1s",
        },
    }  # fmt: skip
    networks = [
        str(n) for name in to.routes for n in found.services[name].get("networks") or ["default"]
    ]
    if set(networks) != {"default"}:
        edge["networks"] = list(dict.fromkeys(networks))
    why = "requests go on while a container takes over from another"
    to.edits.append(Edit(("services", EDGE), edge, why))


def _x_deploy(to: Adaptation) -> dict[str, Any]:
    deploy: dict[str, Any] = {
        "v": 1,
        "order": to.order,
        "infrastructure": dict(to.infrastructure),
    }
    if to.routes:
        deploy["edge"] = {
            "service": EDGE, "config": "edge/haproxy.cfg",
            "routes": {n: {"listen": r.listen, "port": r.port, "health": r.health} for n, r in to.routes.items()},
        }  # fmt: skip
        deploy["probes"] = {n: {"outside": {"url": n, "path": r.health}} for n, r in to.routes.items()}  # fmt: skip
    return deploy
