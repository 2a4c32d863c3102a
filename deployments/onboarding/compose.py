"""A Compose file of ordinary use, as one that can be deployed: each change with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.compose.references import image_variable
from deployments.onboarding.adaptation import EDGE, EDGE_IMAGE, Adaptation, Edit, OnboardedRoute
from deployments.onboarding.bodies import arguments_of, build_of, waits_for
from deployments.onboarding.database import describe_database, take_migration
from deployments.onboarding.facts import RepositoryFacts
from deployments.onboarding.login import let_roles_take_turns
from deployments.onboarding.migrations import (
    add_migrations,
    ends_by_itself,
    wait_for_migrations,
    waited_for,
)
from deployments.onboarding.passwords import passwords_of
from deployments.onboarding.ports import reached
from deployments.onboarding.repository import Repository
from deployments.onboarding.service import OrdinaryService
from deployments.onboarding.tls import PORTS, TLS, add_tls, name_routes, tls_ports
from deployments.onboarding.variables import adapt_other_references


def adapt(found: Repository, domain: str = "") -> Adaptation:
    """Go through the services one after another; nothing of the repository is changed.

    domain: under which people reach it, by HTTPS; empty for none.
    """
    adaptation = Adaptation()
    images, passwords = _image_variables(found), passwords_of(found)
    once = waited_for(found) | ends_by_itself(found)
    known = RepositoryFacts(found, images, passwords, frozenset(reached(found)), frozenset(once))
    for name, body in found.services.items():
        OrdinaryService(known, adaptation, name, body).adapt()
    describe_database(found, adaptation, passwords)
    take_migration(found, adaptation, images, once)
    add_migrations(found, adaptation, images)
    wait_for_migrations(found, adaptation, images)
    let_roles_take_turns(found, adaptation)
    name_routes(found, adaptation, domain)
    _add_edge(found, adaptation)
    add_tls(adaptation, domain)
    adapt_other_references(known, adaptation)
    if not (found.compose_file or adaptation.routes):
        adaptation.notes.append(
            "web: the Dockerfile has no EXPOSE, so no port of it is reached from outside; if it has one, add "
            "EXPOSE and its number there, and run init again"
        )
    if found.override:
        adaptation.notes.append(
            f"{found.override} is left out: Compose reads it beside {found.compose_file}, most often for a "
            f"developer's machine; what a server needs of it has to stand in {found.compose_file}"
        )
    adaptation.order = _order(found, adaptation)
    _name_dockerfiles_by_owner(adaptation, images)
    adaptation.edits.append(Edit(("x-deploy",), _x_deploy(adaptation), "what Compose cannot say"))
    return adaptation


def _order(found: Repository, to: Adaptation) -> list[str]:
    """What is not built here first, but for what stands in front of the application, such as a proxy."""
    before: dict[str, bool] = {}
    for name in _in_order(found, to):
        early = all(before.get(n, True) for n in _waits(found, to, name))
        before[name] = name in to.infrastructure and early
    return [
        *[n for n, early in before.items() if early],
        *([EDGE] if to.routes else []),
        *([TLS] if to.names else []),
        *[n for n, early in before.items() if not early],
    ]


def _name_dockerfiles_by_owner(to: Adaptation, images: Mapping[str, str]) -> None:
    """Name each image by the service that a release names it by: the first of the order that runs it.

    The service that migrates owns none, as long as another one runs the same image.
    """
    migrates = to.migrate.get("service")
    renamed = {}
    for name, dockerfile in to.dockerfiles.items():
        runs = [n for n in to.order if images.get(n) == dockerfile["variable"] and n != migrates]
        renamed[runs[0] if runs else name] = dockerfile
    to.dockerfiles = renamed


def _waits(found: Repository, to: Adaptation, name: str) -> list[str]:
    """What a service waits for once it is adapted."""
    path = ("services", name, "depends_on")
    changed = [edit.value for edit in to.edits if edit.path == path]
    return (
        [n for n in changed[-1] or () if n in found.services]
        if changed
        else waits_for(found.services[name])
    )


def _in_order(found: Repository, to: Adaptation) -> list[str]:
    """Services as the file has them, each after those that it waits for."""
    done: dict[str, None] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in found.services and name not in done and name not in above:
            for before in _waits(found, to, name):
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
        variable = image_variable(name)
        if "build" in body:
            alike = (*build_of(found, body), str(sorted(arguments_of(body).items())))
            variable = by_build.setdefault(alike, variable)
        names[name] = variable
    return names


def _add_edge(found: Repository, to: Adaptation) -> None:
    if not to.routes:
        return
    to.infrastructure[EDGE] = EDGE_IMAGE
    edge = {
        "image": "${EDGE_IMAGE}", "restart": "unless-stopped",
        "command": ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
        "stop_signal": "SIGUSR1", "stop_grace_period": "30s",
        "ports": [
            _published(route, to) for route in to.routes.values()
            # Where TLS is ended by another service, that has these two.
            if not (to.names and route.listen in PORTS)
        ],
        "volumes": ["./edge:/usr/local/etc/haproxy:ro"],
        "healthcheck": {
            "test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9999 && echo show info >&3 && grep -q Name: <&3"],
            "interval": "10s", "start_period": "20s", "start_interval": "1s",
        },
    }  # fmt: skip
    if not edge["ports"]:
        del edge["ports"]
    networks = [
        str(n) for name in to.routes for n in found.services[name].get("networks") or ["default"]
    ]
    if set(networks) != {"default"}:
        edge["networks"] = list(dict.fromkeys(networks))
    why = "requests go on while a container takes over from another"
    to.edits.append(Edit(("services", EDGE), edge, why))


def _published(route: OnboardedRoute, to: Adaptation) -> str | dict[str, Any]:
    if to.names and not route.address:
        # `[edge] listen` closes it to everybody who does not come by HTTPS.
        port = str(route.listen)
        return {"target": route.listen, "published": port, "host_ip": "${EDGE_ADDRESS:-}"}
    return f"{f'{route.address}:' if route.address else ''}{route.listen}:{route.listen}"


def _x_deploy(to: Adaptation) -> dict[str, Any]:
    deploy: dict[str, Any] = {
        "v": 1,
        "order": to.order,
        "infrastructure": dict(to.infrastructure),
    }
    if to.database:
        deploy["database"] = dict(to.database)
    if to.migrate:
        deploy["migrate"] = dict(to.migrate)
    if to.routes:
        by_tls = tls_ports(to)
        deploy["edge"] = {
            "service": EDGE, "config": "edge/haproxy.cfg",
            "routes": {
                n: {
                    "listen": r.listen, **({"tls_listen": by_tls[n]} if n in by_tls else {}),
                    "port": r.port, "health": r.health,
                }
                for n, r in to.routes.items()
            },
        }  # fmt: skip
        if to.names:
            deploy["optional"] = {TLS: "EDGE_DOMAIN"}
        deploy["probes"] = {n: {"outside": {"url": n, "path": r.health}} for n, r in to.routes.items()}  # fmt: skip
    return deploy
