"""Shell text: every argument arrives as it was given, and secrets are refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from deployments.shell.frame import command_line
from deployments.shell.quote import Script, call, join


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "f"),
        (("a",), "f a"),
        (("a b", 3), "f 'a b' 3"),
        (("it's",), """f 'it'"'"'s'"""),
        (("",), "f ''"),
    ],
)
def test_a_line(arguments, line):
    assert call("f", *arguments) == line


def test_a_secret_may_not_become_an_argument():
    with pytest.raises(TypeError) as caught:
        call("login", "user", SecretStr("hunter2"))
    assert str(caught.value) == "login: a secret may not become an argument"


def test_parts_stand_on_lines_of_their_own():
    assert join("\na\n\n", "", "b") == "a\nb\n"


def test_a_script_has_a_minute_unless_it_says_otherwise():
    assert Script("true").timeout == 60


def test_a_script_that_bash_could_not_read_is_not_sent():
    with pytest.raises(ValueError, match="NUL byte"):
        command_line(Script("echo \0"), None)
