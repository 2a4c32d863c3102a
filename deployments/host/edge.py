"""The edge's configuration: a frontend and a backend with two slots for each route."""

from __future__ import annotations

import re
from collections.abc import Container

from deployments.compose.extension import EdgeService, Route
from deployments.host.edge_answers import unavailable

IDLE = "idle.invalid"
LARGEST = 100_000_000
"""Bytes of the largest request that is let through."""
SLOTS = ("s1", "s2")
_NOBODY = (IDLE, 0)
FORMER = "former"
"""A third server of each backend: the container of the release before, while it is kept."""
_SERVER = re.compile(
    r"^    server (s[12]|former) (\S+?):(\d+) check(?: backup)?( disabled)?$", re.MULTILINE
)

Slots = tuple[str, str]
"""Addresses of the two slots of a backend; `idle.invalid` for the one not in use."""
Ports = dict[str, dict[str, int]]
"""Service to the ports of its servers, where they are not the route's."""

EVERYBODY = ("0.0.0.0/0", "::/0")
_BELIEVED = "x-forwarded-(for|proto|host)"
_TELLS_OF_A_CLIENT = f"^(forwarded|x[-_]real[-_]ip|(?!{_BELIEVED}$)x[-_]forwarded[-_].*)$"
"""Headers by which a proxy tells of its client, but for the three that are believed of a known one.

Many a server reads `_` in a name as `-`."""


def render(
    base: str,
    edge: EdgeService,
    slots: dict[str, Slots],
    former: dict[str, str] | None = None,
    proxies: tuple[str, ...] = (),
    ports: Ports | None = None,
) -> str:
    """The whole configuration file. A service without slots has both idle.

    former: service to the container that serves when the one in use is gone. proxies: addresses
    whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. ports: of containers that were
    entered when the route had another one.
    """
    parts = [base.rstrip("\n")]
    for service, route in sorted(edge.routes.items()):
        own = (ports or {}).get(service, {})
        servers = "\n".join(
            _server(slot, address, own.get(slot, route.port))
            for slot, address in zip(SLOTS, slots.get(service, (IDLE, IDLE)), strict=True)
        )
        spare = _server(FORMER, (former or {}).get(service, IDLE), own.get(FORMER, route.port))
        parts.append(
            f"frontend fe_{service}\n"
            f"    bind :{route.listen}{f',:{route.tls_listen}' if route.tls_listen else ''}\n"
            f"{unavailable()}"
            f"    http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {LARGEST} }}\n"
            f"{_forwarded(route, proxies)}"
            f"    default_backend be_{service}\n\n"
            f"backend be_{service}\n"
            # Of both sections the one without `if-none` would decide.
            "    option forwardfor if-none\n"
            "    # Repeating a request that may have had an effect is never the edge's choice.\n"
            "    http-request disable-l7-retry unless { method GET HEAD }\n"
            f"{_whatever_its_health(service)}"
            "    option httpchk\n"
            f"    http-check send meth GET uri {route.health} ver HTTP/1.1 hdr Host edge\n"
            # Reached, and not well: no longer balanced to, and still there for the rules above.
            "    http-check expect status 200-399 error-status L7OKC\n"
            f"{servers}\n"
            f"{spare}"
        )
    return "\n\n".join(parts) + "\n"


def _whatever_its_health(service: str) -> str:
    """Directives by which a container that fails its health check serves where no other one does.

    A busy application is often slow to say that it is well: without these, that is a 503 for everybody.
    What is only being entered has the weight 0, and gets no request by them.
    """
    backend = f"be_{service}"
    return (
        "    # A container that is not well serves all the same, where nothing else does.\n"
        + "".join(
            f"    use-server {slot} if {{ nbsrv({backend}) eq 0 }} {{ srv_uweight({backend}/{slot}) gt 0 }}\n"
            for slot in SLOTS
        )
    )


def _forwarded(route: Route, proxies: tuple[str, ...]) -> str:
    """Directives by which a service learns of its client from the edge, or from a known proxy."""
    known = [f"dst_port {route.tls_listen}"] if route.tls_listen else []
    known += [f"src {' '.join(proxies)}"] if proxies else []
    unless = " unless known_proxy" if known else ""
    return (
        "    # Who a client is, is never taken from the client.\n"
        + "".join(f"    acl known_proxy {how}\n" for how in known)
        + f"    http-request del-header '{_TELLS_OF_A_CLIENT}' -m reg\n"
        f"    http-request del-header '^{_BELIEVED}$' -m reg{unless}\n"
        "    option forwardfor if-none\n"
        "    http-request set-header X-Forwarded-Proto http unless "
        "{ req.hdr(X-Forwarded-Proto) -m found }\n"
        "    http-request set-header X-Forwarded-Host %[req.fhdr(Host)] if "
        "{ req.fhdr(Host) -m found } !{ req.hdr(X-Forwarded-Host) -m found }\n"
    )


def _server(slot: str, address: str, port: int) -> str:
    backup = " backup" if slot == FORMER else ""
    disabled = " disabled" if address == IDLE else ""
    return f"    server {slot} {address}:{port} check{backup}{disabled}"


def page_route(edge: EdgeService) -> str:
    """The service on whose port the status page is: the one that people open."""
    return "frontend" if "frontend" in edge.routes else next(iter(edge.routes))


def render_again(
    base: str,
    edge: EdgeService,
    config: str,
    serving: dict[str, str] | None = None,
    proxies: tuple[str, ...] = (),
    replaced: Container[str] = (),
) -> str:
    """The file for these routes, with the containers that another one names.

    serving: service to the one container that serves, for a file that names another one or none:
    somebody wrote over it, and the page would stay away until the next replacement.
    replaced: services that change places after the edge reads the file: until then their containers
    are asked on the port that they have.
    """
    slots, ports = read_slots(config), _ports_in_use(config, replaced)
    for service, container in (serving or {}).items():
        # A file that was written by hand names the service, which Docker's own DNS knows.
        if not {container, service} & set(slots.get(service, ())):
            slots[service] = (container, IDLE)
            ports.pop(service, None)
    return render(base, edge, slots, read_former(config), proxies, ports)


def _ports_in_use(config: str, replaced: Container[str]) -> Ports:
    """Ports of the containers that will go; what is kept of a release before keeps its own."""
    return {
        name: {
            slot: port
            for slot, (container, port) in servers.items()
            if container != IDLE and (name in replaced or slot == FORMER)
        }
        for name, servers in _servers(config).items()
    }


def read_slots(config: str) -> dict[str, Slots]:
    """Slots of a configuration that was rendered before and since changed in place."""
    return {
        name: (servers.get("s1", _NOBODY)[0], servers.get("s2", _NOBODY)[0])
        for name, servers in _servers(config).items()
    }


def read_former(config: str) -> dict[str, str]:
    """Service to the container of the release before, where one is kept."""
    formers = {n: servers.get(FORMER, _NOBODY)[0] for n, servers in _servers(config).items()}
    return {name: container for name, container in formers.items() if container != IDLE}


def read_listen(config: str) -> dict[str, int]:
    """Service to the port that the edge answers on for it."""
    found = re.findall(r"^frontend fe_(\S+)\n    bind :(\d+)", config, re.MULTILINE)
    return {service: int(port) for service, port in found}


def without_slots(config: str) -> str:
    """The file without the addresses that each replacement writes into it."""
    return re.sub(r"^    server (?:s[12]|former) .*\n?", "", config, flags=re.MULTILINE)


def _servers(config: str) -> dict[str, dict[str, tuple[str, int]]]:
    """Service to its servers: of each the address and the port."""
    backends = {}
    for block in re.split(r"^(?=backend )", config, flags=re.MULTILINE)[1:]:
        name = block.split(maxsplit=2)[1].removeprefix("be_")
        backends[name] = {match[1]: (match[2], int(match[3])) for match in _SERVER.finditer(block)}
    return backends
