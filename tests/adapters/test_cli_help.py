"""What `homeguru --help` shows: one screen, every command in a group and with examples that exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from infra.cli.app import app
from infra.cli.help import EXAMPLES, PANELS, finished

SCREEN = Path(__file__).with_name("help.txt")


def shown(*words: str, width: int = 80, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", *words], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": str(width), "TERM": "dumb", **variables},
    )  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def test_the_first_screen() -> None:
    """RENEW=1 writes the file again."""
    text = shown("--help")
    if os.environ.get("RENEW"):
        SCREEN.write_text(text)
    assert text == SCREEN.read_text()
    assert len(text.splitlines()) <= 56
    assert max(map(len, text.splitlines())) <= 80


def test_no_colour_without_a_terminal() -> None:
    assert "\x1b" not in shown("--help")
    assert "\x1b" not in shown("deploy", "--help")


@pytest.fixture(scope="module")
def group() -> TyperGroup:
    return finished(app)


def test_every_command_is_in_a_panel_and_has_examples(group: TyperGroup) -> None:
    assert {name for names in PANELS.values() for name in names} == set(group.commands)
    alone = {n for n, c in group.commands.items() if not isinstance(c, TyperGroup)}
    assert set(EXAMPLES) == alone


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_is_a_command_line_that_parses(example: str, group: TyperGroup) -> None:
    words = shlex.split(example.partition(" >")[0])
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])


def test_a_flag_shows_no_type_and_has_a_short_form_of_help() -> None:
    text = shown("deploy", "-h")
    assert "bool" not in text
    assert re.search(r"--help +-h +Show", text)
    assert "homeguru deploy --env production" in text


def test_the_shell_completes_environments_and_services(tmp_path: Path) -> None:
    for words, found in (("homeguru status --env prod", "production"), ("homeguru logs --env production fr", "frontend")):  # fmt: skip
        text = shown(
            _HOMEGURU_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)
        )  # fmt: skip
        assert text.split() == [found]
