"""The status page at the edge."""

from __future__ import annotations

import base64

from deployments.shell.quote import Script, call, functions, join
from deployments.shell.replace import find_edge


def renew_page(service: str, place: str, html: str) -> Script:
    """Give the edge another status page; no connection notices.

    service: the edge's. place: of the map in its container.
    """
    page = base64.b64encode(html.encode()).decode()
    renew = call("renew_page", place, page)
    return Script(join(functions("slots", "status_page"), find_edge(service), renew))
