"""HTTPS for an application that has a domain: Caddy before the edge, as doc/adr/0012 says."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.errors import WrongUse
from deployments.onboarding.adaptation import EDGE, Adaptation, Edit, OnboardedRoute
from deployments.onboarding.ports import ports_of
from deployments.onboarding.repository import Repository

TLS, TLS_IMAGE = "tls", "docker.io/library/caddy:2"
PORTS = (80, 443)
_PAGES = (
    "web",
    "frontend",
    "front",
    "www",
    "site",
    "app",
    "page",
    "client",
    "ui",
    "proxy",
    "nginx",
)
"""Names of services that people open first, before an API."""

_GLOBAL = """\
{
  ${EDGE_EMAIL:+email ${EDGE_EMAIL:-}}
  acme_ca ${EDGE_ACME:-https://acme-v02.api.letsencrypt.org/directory}
}
"""


def names_of(routes: Mapping[str, OnboardedRoute], domain: str) -> dict[str, str]:
    """Route to the name that it answers to: the page's is the domain, the others' lie below it.

    What is published to the server alone has none.
    """
    public = [name for name, route in routes.items() if not route.address]
    page = next((name for name in _PAGES if name in public), public[0] if public else "")
    return {n: domain if n == page else f"{n.replace('_', '-')}.{domain}" for n in public}


def name_routes(found: Repository, to: Adaptation, domain: str) -> None:
    """Give what people reach its names. Raises WrongUse where a domain would lead to nothing."""
    if not domain:
        return
    to.names = names_of(to.routes, domain)
    others = {
        n: ports_of(b, found.examples()) for n, b in found.services.items() if "build" not in b
    }
    taken = [n for n, ports in others.items() if any(p.published in PORTS and not p.local for p in ports)]  # fmt: skip
    if taken:
        raise WrongUse(
            f"{', '.join(taken)} publishes port 80 or 443, which HTTPS for {domain} needs",
            where=found.compose_file, state="untouched",
            todo="take that port away in the Compose file, or leave --domain out: a proxy of your own may end TLS",
        )  # fmt: skip
    if not to.names:
        raise WrongUse(
            f"nothing that is built here publishes a port, so {domain} would lead to nothing",
            where=found.compose_file, state="untouched",
            todo="publish the page's port in the Compose file, or leave --domain out",
        )  # fmt: skip


def add_tls(to: Adaptation, domain: str) -> None:
    """The service that ends TLS, where there is a domain."""
    if not to.names:
        return
    to.infrastructure[TLS] = TLS_IMAGE
    edge = next(edit.value for edit in to.edits if edit.path == ("services", EDGE))
    service = {
        "image": "${TLS_IMAGE:-none}", "profiles": [TLS], "restart": "unless-stopped",
        "stop_grace_period": "30s", "ports": ["80:80", "443:443", "443:443/udp"],
        # In the environment, so that Compose sees when it changes.
        "environment": {"CADDYFILE": _caddyfile(to, domain)},
        "command": [
            "sh", "-c",
            'echo "$$CADDYFILE" > /config/Caddyfile && exec caddy run --config /config/Caddyfile --adapter caddyfile',
        ],
        "volumes": ["tls-data:/data"],
        "healthcheck": {
            "test": ["CMD", "caddy", "version"],
            "interval": "30s", "start_period": "20s", "start_interval": "1s",
        },
        **({"networks": edge["networks"]} if "networks" in edge else {}),
    }  # fmt: skip
    why = f"HTTPS for {domain}, with certificates that renew themselves"
    to.edits.append(Edit(("services", TLS), service, why))
    to.edits.append(Edit(("volumes", "tls-data"), {}, "the certificates outlast a release"))


def tls_ports(to: Adaptation) -> dict[str, int]:
    """Route with a name to the port on which the edge takes what comes by HTTPS."""
    taken = {9999, 8405, *(route.listen for route in to.routes.values())}
    ports: dict[str, int] = {}
    for name in to.names:
        port = to.routes[name].listen + 10_000
        while port in taken or port >= 2**16:
            port = port + 1 if port < 2**16 - 1 else 10_000
        ports[name] = port
        taken.add(port)
    return ports


def _caddyfile(to: Adaptation, domain: str) -> str:
    ports = tls_ports(to)
    sites = [
        f"{name.removesuffix(domain)}${{EDGE_DOMAIN:-}} {{\n  reverse_proxy {EDGE}:{ports[route]}\n}}\n"
        for route, name in to.names.items()
    ]
    return _GLOBAL + "".join(sites)
