"""The edge as a whole: it reads its configuration again."""

from __future__ import annotations

from deployments.shell.quote import Script, call, functions, join


def reload_edge(service: str) -> Script:
    """Make the edge read its configuration again; requests in flight go on."""
    return Script(join(functions("edge"), call("reload_edge", service)))
