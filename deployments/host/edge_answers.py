"""What the edge answers by itself: a page where no container serves, and for all in maintenance."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

HEADER = "X-Edge-Maintenance"
"""Of the answers that the edge gives while maintenance is on, and of no other ones."""
RETRY_AFTER = 60
"""Seconds after which a client may come again."""

_FRONTEND = r"^frontend fe_.*\n    bind .*\n"
_HTML = "'text/html; charset=utf-8'"
_JSON = """'{"error":"temporarily unavailable"}'"""
_HEADERS = f"hdr Retry-After {RETRY_AFTER} hdr Cache-Control no-store"


PAGE_MAP = "/usr/local/etc/haproxy/status.map"
"""Where the edge's container finds the status page: key `page`, its value in base64."""


def with_status_page(config: str, service: str, path: str) -> str:
    """The edge's file, in which a service's frontend shows the status page at a path.

    From a map, which can be renewed without a reload; as long as it has no page, the service answers.
    """
    page = f"str(page),map({PAGE_MAP})"
    rule = (
        f"    http-request return status 200 content-type {_HTML} lf-string %[{page},b64dec] "
        f"hdr Cache-Control no-cache if {{ path {path} }} {{ method GET HEAD }} {{ {page} -m found }}\n"
    )
    frontend = rf"^frontend fe_{re.escape(service)}\n    bind .*\n"
    return re.sub(frontend, lambda found: found[0] + rule, config, flags=re.MULTILINE)


@cache
def _page() -> str:
    """The page as HAProxy takes it: one line in single quotes, which has none of its own."""
    text = files(__package__).joinpath("unavailable.html").read_text("utf-8")
    return f"'{''.join(line.strip() for line in text.splitlines())}'"


def unavailable() -> str:
    """A frontend's directive: the page, wherever the edge itself has to answer 503."""
    return f"    http-error status 503 content-type {_HTML} string {_page()} {_HEADERS}\n"


def with_maintenance(config: str) -> str:
    """The edge's file, with rules by which every route answers 503 whatever serves behind it."""
    # Without a condition HAProxy warns of the rules behind it.
    asks_for_json = "if { req.hdr(Accept) -m sub application/json }"
    rules = f"{_rule('application/json', _JSON)} {asks_for_json}\n{_rule(_HTML, _page())} if TRUE\n"
    # A function, since a backslash in a replacement has a meaning.
    return re.sub(_FRONTEND, lambda found: found[0] + rules, config, flags=re.MULTILINE)


def _rule(kind: str, text: str) -> str:
    answer = f"content-type {kind} string {text} {_HEADERS} hdr {HEADER} on"
    return f"    http-request return status 503 {answer}"


def without_maintenance(config: str) -> str:
    """The edge's file without those rules, of whatever version."""
    return re.sub(rf"^    http-request return .* hdr {HEADER} .*\n", "", config, flags=re.MULTILINE)


def in_maintenance(config: str) -> bool:
    """Whether an edge with this file answers for every route."""
    return without_maintenance(config) != config
