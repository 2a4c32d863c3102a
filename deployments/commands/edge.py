"""The edge as a whole: it reads its configuration again."""

from __future__ import annotations

from deployments.commands.quote import Script, call, join

_RELOAD = r"""
reload() {
  local id checked
  id=$(ids "$1" | head -n 1)
  checked=$(docker exec "$id" haproxy -c -f /usr/local/etc/haproxy/haproxy.cfg 2>&1) || fail "the edge refuses its new configuration: $checked"
  # From the inside: a container that got a signal by `docker kill` counts as stopped by hand, and
  # Docker leaves it down when it crashes or the server restarts.
  docker exec "$id" bash -c 'kill -USR2 1'
}
"""


def reload_edge(service: str) -> Script:
    """Make the edge read its configuration again; requests in flight go on."""
    return Script(join(_RELOAD, call("reload", service)))
