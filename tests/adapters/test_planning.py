"""The Compose file that a plan is compared with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from infra.environment.compose_cli import stack_of
from infra.run.planning import _stack_before

OURS = "services: {web: {image: '${WEB_IMAGE}', command: [a]}}\nx-deploy: {v: 1}\n"


@pytest.mark.parametrize(
    ("on_the_host", "command"),
    [
        (OURS, ["a"]),
        (OURS.replace("[a]", "[b]"), ["b"]),
        ("", None),
        ("services: {web: {image: nginx}}\n", None),
        ("no: compose: file", None),
    ],
)
def test_what_the_host_has_is_read_where_it_is_ours(on_the_host, command):
    stack = stack_of(OURS, "compose.yml")
    found = _stack_before(stack, SimpleNamespace(compose_file=on_the_host))
    assert (found is None) == (command is None)
    if found:
        assert f'"command": {command}'.replace("'", '"') in found.forms["web"]
