"""The edge's configuration: rendered, changed in place on the host, read back."""

from __future__ import annotations

import pytest

from deployments.compose.extension import EdgeService
from deployments.host.edge import (
    IDLE,
    page_route,
    read_former,
    read_slots,
    render,
    render_again,
)
from deployments.host.edge_answers import (
    in_maintenance,
    unavailable,
    with_maintenance,
    with_status_page,
    without_maintenance,
)

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
        f"{unavailable()}"
        "    http-request deny deny_status 413 if { req.hdr_val(content-length) gt 100000000 }\n"
        "    # Who a client is, is never taken from the client.\n"
        "    http-request del-header '^(forwarded|x[-_]real[-_]ip|(?!x-forwarded-(for|proto|host)$)"
        "x[-_]forwarded[-_].*)$' -m reg\n"
        "    http-request del-header '^x-forwarded-(for|proto|host)$' -m reg\n"
        "    option forwardfor if-none\n"
        "    http-request set-header X-Forwarded-Proto http unless "
        "{ req.hdr(X-Forwarded-Proto) -m found }\n"
        "    http-request set-header X-Forwarded-Host %[req.fhdr(Host)] if "
        "{ req.fhdr(Host) -m found } !{ req.hdr(X-Forwarded-Host) -m found }\n"
        "    default_backend be_api\n\n"
        "backend be_api\n"
        "    option forwardfor if-none\n"
        "    # Repeating a request that may have had an effect is never the edge's choice.\n"
        "    http-request disable-l7-retry unless { method GET HEAD }\n"
        "    # A container that is not well serves all the same, where nothing else does.\n"
        "    use-server s1 if { nbsrv(be_api) eq 0 } { srv_uweight(be_api/s1) gt 0 }\n"
        "    use-server s2 if { nbsrv(be_api) eq 0 } { srv_uweight(be_api/s2) gt 0 }\n"
        "    option httpchk\n"
        "    http-check send meth GET uri /health ver HTTP/1.1 hdr Host edge\n"
        "    http-check expect status 200-399 error-status L7OKC\n"
        "    server s1 app-api-1:8000 check\n"
        "    server s2 idle.invalid:8000 check disabled\n"
        "    server former idle.invalid:8000 check backup disabled\n"
    )


def test_a_known_proxy_is_believed_and_nobody_else():
    routes = {
        "api": EDGE.routes["api"].model_copy(update={"tls_listen": 18003}),
        "web": EDGE.routes["web"],
    }
    edge = EDGE.model_copy(update={"routes": routes})
    web, api = render(BASE, edge, {}, proxies=("203.0.113.7",)), render(BASE, edge, {})
    assert web.count("    acl known_proxy src 203.0.113.7\n") == 2
    assert web.count("-m reg unless known_proxy\n") == 2
    # What the edge publishes is one of its two ports.
    assert (
        api.count("    bind :8003,:18003\n")
        == api.count("    acl known_proxy dst_port 18003\n")
        == 1
    )
    assert api.count("-m reg unless known_proxy\n") == 1
    assert read_slots(with_maintenance(api)) == read_slots(api)


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


def test_the_page_is_one_line_that_haproxy_takes_as_it_is():
    (line,) = unavailable().splitlines()
    begin, page, end = line.split("'", 4)[0], line.split("'")[3], line.split("'")[4]
    assert begin == "    http-error status 503 content-type "
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>")
    assert "Временно недоступно" in page
    # The quotes that end the page are its only ones.
    assert line.count("'") == 4
    assert end == " hdr Retry-After 60 hdr Cache-Control no-store"
    assert not any(word in page for word in ("<script", "http://", "https://", " src="))


CONFIG = render(BASE, EDGE, {"api": ("app-api-1", IDLE), "web": (IDLE, "app-web-2")})


def test_in_maintenance_every_route_answers_before_anything_else():
    lines = with_maintenance(CONFIG).splitlines()
    for number, line in enumerate(lines):
        if line.startswith("frontend fe_"):
            assert lines[number + 1].startswith("    bind :")
            for_programs, for_people = lines[number + 2 : number + 4]
            assert for_programs.startswith(
                "    http-request return status 503 content-type application/json "
            )
            assert for_programs.endswith(" if { req.hdr(Accept) -m sub application/json }")
            assert for_people.endswith(" hdr X-Edge-Maintenance on if TRUE")
    assert sum("X-Edge-Maintenance" in line for line in lines) == 4


def test_maintenance_leaves_everything_else_as_it_is():
    changed = with_maintenance(CONFIG)
    assert without_maintenance(changed) == CONFIG
    assert (in_maintenance(changed), in_maintenance(CONFIG)) == (True, False)
    assert read_slots(changed) == read_slots(CONFIG)
    assert read_former(changed) == read_former(CONFIG)


def test_the_status_page_is_on_the_port_that_people_open():
    assert page_route(EDGE) == "web"
    both = {**EDGE.routes, "frontend": EDGE.routes["web"]}
    assert page_route(EDGE.model_copy(update={"routes": both})) == "frontend"
    changed = with_status_page(CONFIG, "web", "/status")
    new = [line for line in changed.splitlines() if line not in CONFIG.splitlines()]
    (rule,) = new
    assert changed.splitlines()[changed.splitlines().index(rule) - 1] == "    bind :80"
    assert "{ path /status } { method GET HEAD }" in rule
    # Until there is a page, the service answers.
    assert rule.endswith("{ str(page),map(/usr/local/etc/haproxy/status.map) -m found }")
    assert changed.replace(f"{rule}\n", "") == CONFIG


def test_in_maintenance_the_status_page_gives_way_too():
    lines = with_maintenance(with_status_page(CONFIG, "web", "/status")).splitlines()
    at = next(n for n, line in enumerate(lines) if "status.map" in line)
    assert "X-Edge-Maintenance" in lines[at - 1]
    assert without_maintenance("\n".join(lines) + "\n") == with_status_page(
        CONFIG, "web", "/status"
    )


def test_another_frontend_of_the_base_does_not_answer_for_services():
    base = "frontend metrics\n    bind :8405\n"
    assert with_maintenance(base) == base


MOVED = EDGE.model_copy(
    update={"routes": {**EDGE.routes, "api": EDGE.routes["api"].model_copy(update={"port": 9000})}}
)


def _servers(config):
    return [line.split()[1:3] for line in config.splitlines() if line.startswith("    server ")]


def test_a_container_that_goes_is_asked_on_the_port_that_it_has():
    """On the port of its successor nobody would answer until that one is in."""
    before = render(BASE, EDGE, {"api": ("app-api-1", IDLE)}, {"api": "app-api-0"})
    after = render_again(BASE, MOVED, before, replaced={"api"})
    own = EDGE.routes["api"].port
    assert _servers(after)[:3] == [
        ["s1", f"app-api-1:{own}"], ["s2", f"{IDLE}:9000"], ["former", f"app-api-0:{own}"],
    ]  # fmt: skip


def test_a_container_that_stays_is_asked_on_the_routes_new_port():
    before = render(BASE, EDGE, {"api": ("app-api-1", IDLE)})
    assert _servers(render_again(BASE, MOVED, before))[0] == ["s1", "app-api-1:9000"]
