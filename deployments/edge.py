"""The edge's configuration: a frontend and a backend with two slots for each route."""

from __future__ import annotations

import re

from deployments.xdeploy import Edge

IDLE = "idle.invalid"
LARGEST = 100_000_000
"""Bytes of the largest request that is let through."""
_SERVER = re.compile(r"^    server (s[12]) (\S+?):\d+ check( disabled)?$", re.MULTILINE)

Slots = tuple[str, str]
"""Addresses of the two slots of a backend; `idle.invalid` for the one not in use."""


def render(base: str, edge: Edge, slots: dict[str, Slots]) -> str:
    """The whole configuration file. A service without slots has both idle."""
    parts = [base.rstrip("\n")]
    for service, route in sorted(edge.routes.items()):
        servers = "\n".join(
            _server(f"s{n}", address, route.port)
            for n, address in enumerate(slots.get(service, (IDLE, IDLE)), start=1)
        )
        parts.append(
            f"frontend fe_{service}\n"
            f"    bind :{route.listen}\n"
            f"    http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {LARGEST} }}\n"
            "    # What ends TLS in front of this says https here.\n"
            "    http-request set-header X-Forwarded-Proto http unless "
            "{ req.hdr(X-Forwarded-Proto) -m found }\n"
            f"    default_backend be_{service}\n\n"
            f"backend be_{service}\n"
            "    # Repeating a request that may have had an effect is never the edge's choice.\n"
            "    http-request disable-l7-retry unless { method GET HEAD }\n"
            "    option httpchk\n"
            f"    http-check send meth GET uri {route.health} ver HTTP/1.1 hdr Host edge\n"
            "    http-check expect status 200-399\n"
            f"{servers}"
        )
    return "\n\n".join(parts) + "\n"


def _server(slot: str, address: str, port: int) -> str:
    disabled = " disabled" if address == IDLE else ""
    return f"    server {slot} {address}:{port} check{disabled}"


def read_slots(config: str) -> dict[str, Slots]:
    """Slots of a configuration that was rendered before and since changed in place."""
    slots: dict[str, Slots] = {}
    for block in re.split(r"^(?=backend )", config, flags=re.MULTILINE)[1:]:
        name = block.split(maxsplit=2)[1].removeprefix("be_")
        found = {match[1]: match[2] for match in _SERVER.finditer(block)}
        slots[name] = (found.get("s1", IDLE), found.get("s2", IDLE))
    return slots
