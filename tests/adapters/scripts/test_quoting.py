"""An argument, as bash takes it."""

from __future__ import annotations

import subprocess

import pytest

from deployments.shell.quote import call, join

HOSTILE = [
    "x'; rm -rf / #", '"; echo "', "$(id)", "`id`", "${HOME}", "a b", "", "-rf", "*", "a\nb", "\\",
    "!x", "~", "a&b|c>d<e", "Привет",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_argument_arrives_literally(hostile):
    line = call("show", hostile, "end")
    text = join('show() { printf "%s\\0" "$@"; }', line)
    assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0
    done = subprocess.run(["bash", "-c", text], capture_output=True, check=True)
    assert done.stdout == f"{hostile}\0end\0".encode()
