"""A person's own command in a container."""

from __future__ import annotations

import base64
import re

from deployments.shell.inside import command_line


def script_of(line: str) -> str:
    return base64.b64decode(re.search(r"echo (\S+) \|", line).group(1)).decode()


def test_words_stay_words_and_a_terminal_is_one(make_environment) -> None:
    line = command_line(make_environment(), "api", ["sh", "-c", "echo 'a b' $HOME"], terminal=True)
    assert script_of(line).splitlines()[-1] == (
        """enter_container api -it sh -c 'echo '"'"'a b'"'"' $HOME'"""
    )
    assert "enter_container api -i " in script_of(
        command_line(make_environment(), "api", ["x"], terminal=False)
    )
