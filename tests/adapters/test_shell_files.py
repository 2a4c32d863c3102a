"""The shell of scripts lies in files of its own, and their headers say what they read."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import deployments.shell
from deployments.shell.quote import functions

FOLDER = Path(deployments.shell.__file__).parent
FILES = sorted(FOLDER.glob("*.sh"))
READS = re.compile(r"^# Reads: ((?:.|\n#   )*)$", re.M)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_header_names_the_variables_that_a_file_reads(file: Path) -> None:
    header, _, body = file.read_text().partition("\n\n")
    found = READS.search(header)
    named = found.group(1).replace("\n#  ", "").split() if found else []
    words = [str(Path(sys.executable).with_name("shellcheck")), "--norc", "-s", "bash"]
    done = subprocess.run([*words, "-i", "SC2154", "-f", "json", "-"], input=body, capture_output=True, text=True)  # fmt: skip
    assert named == sorted({each["message"].split()[0] for each in json.loads(done.stdout)})
    assert re.match(r"# shellcheck shell=bash\n# [A-Z`].+", header)


def test_what_is_sent_holds_no_header_and_no_hint() -> None:
    text = functions("replace_volumes", "backup")
    assert text.startswith("# No container of the service")
    assert "shellcheck" not in text
    assert "\n}\n# Who ends first" in text


def test_every_file_is_used() -> None:
    used = {
        argument.value
        for module in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "functions"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert used == {file.stem for file in FILES}


@pytest.mark.parametrize("folder", ["deployments", "infra", "flows"])
def test_no_shell_function_lies_in_a_python_string(folder: str) -> None:
    function = re.compile(r"^[a-z_]+\(\) *[{(]", re.M)
    found = [
        f"{module}: {node.value[:60]}"
        for module in (FOLDER.parents[1] / folder).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and function.search(node.value)
    ]  # fmt: skip
    assert found == []


def test_a_function_of_a_file_has_a_name_of_its_own() -> None:
    """Files are put together in any way: a second one of the name would take the first one's place."""
    found: dict[str, list[str]] = {}
    for file in FILES:
        for name in re.findall(r"^([a-z_]+)\(\)", file.read_text(), re.M):
            found.setdefault(name, []).append(file.stem)
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_a_function_names_what_it_works_on() -> None:
    """A verb alone tells a reader of one file nothing, and is the next file's name too."""
    alone = {
        f"{file.stem}: {name}"
        for file in FILES
        if not file.stem.startswith("prelude")
        for name in re.findall(r"^([a-z]+)\(\)", file.read_text(), re.M)
    }
    assert alone == {
        "database_migrate: migrate", "observe_candidate: fingerprints", "takeover_ports: milliseconds",
    }  # fmt: skip
