"""The edge's configuration: rendered, changed in place on the host, read back."""

from __future__ import annotations

import pytest

from deployments.compose.extension import EdgeService
from deployments.host.edge import IDLE, read_slots, render

EDGE = EdgeService.model_validate(
    {
        "service": "edge",
        "config": "edge/haproxy.cfg",
        "routes": {
            "web": {"listen": 80, "port": 3000},
            "api": {"listen": 8003, "port": 8000, "health": "/health"},
        },
    }
)
BASE = "global\n    maxconn 10\n\n"


def test_one_route():
    edge = EdgeService.model_validate({**EDGE.model_dump(), "routes": {"api": EDGE.routes["api"]}})
    assert render(BASE, edge, {"api": ("app-api-1", IDLE)}) == (
        "global\n    maxconn 10\n\n"
        "frontend fe_api\n"
        "    bind :8003\n"
        "    http-request deny deny_status 413 if { req.hdr_val(content-length) gt 100000000 }\n"
        "    # What ends TLS in front of this says https here.\n"
        "    http-request set-header X-Forwarded-Proto http unless "
        "{ req.hdr(X-Forwarded-Proto) -m found }\n"
        "    default_backend be_api\n\n"
        "backend be_api\n"
        "    # Repeating a request that may have had an effect is never the edge's choice.\n"
        "    http-request disable-l7-retry unless { method GET HEAD }\n"
        "    option httpchk\n"
        "    http-check send meth GET uri /health ver HTTP/1.1 hdr Host edge\n"
        "    http-check expect status 200-399\n"
        "    server s1 app-api-1:8000 check\n"
        "    server s2 idle.invalid:8000 check disabled\n"
        "    server former idle.invalid:8000 check backup disabled\n"
    )


@pytest.mark.parametrize(
    "slots",
    [
        {"api": (IDLE, IDLE), "web": (IDLE, IDLE)},
        {"api": ("app-api-1", IDLE), "web": (IDLE, "app-web-12")},
        {"api": ("app-api-1", "app-api-2"), "web": ("app-web-1", IDLE)},
    ],
)
def test_slots_are_read_back(slots):
    assert read_slots(render(BASE, EDGE, slots)) == slots


def test_rendering_what_was_read_changes_nothing():
    config = render(BASE, EDGE, {"api": ("app-api-7", IDLE)})
    assert render(BASE, EDGE, read_slots(config)) == config


def test_a_new_route_begins_idle():
    assert read_slots(render(BASE, EDGE, {"api": ("app-api-1", IDLE)}))["web"] == (IDLE, IDLE)


def test_no_configuration_has_no_slots():
    assert read_slots("") == {}
    assert read_slots(BASE) == {}
