"""doc/reference is what the code says, and nothing that the code defines is left out of it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.core import TyperGroup

from deployments.errors import CODES, ExitCode
from deployments.health.alerts import NEWS, Kind
from infra.cli.app import app
from infra.cli.help import finished
from infra.environment.json_schema import environment_schema, x_deploy_schema
from infra.orchestration.setup.declared import declared
from infra.reference import variables
from infra.reference.pages import pages

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "doc" / "reference"
PREFIXES = ("HOMEGURU_", "PREFECT_", "SSH_", "GITHUB_", "RUNNER_")
READ_OTHERWISE = {
    "PREFECT_API_KEY",  # by Prefect itself
    "GITHUB_RUN_ATTEMPT",  # its name is put together
}  # fmt: skip


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", pages())
def test_a_page_is_what_the_code_says(name: str, written: dict[str, str]) -> None:
    """RENEW=1 writes the pages again."""
    file = FOLDER / name
    if os.environ.get("RENEW"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(written[name])
    assert file.read_text() == written[name]


def test_every_command_has_a_part(written: dict[str, str]) -> None:
    def flat(words: str, command: Any) -> list[str]:
        if not isinstance(command, TyperGroup):
            return [words]
        return [w for n, inner in command.commands.items() for w in flat(f"{words} {n}", inner)]

    parts = re.findall(r"^### `(.+)`$", written["cli.md"], re.MULTILINE)
    assert sorted(parts) == sorted(flat("homeguru", finished(app)))


@pytest.mark.parametrize(
    "schema", [environment_schema(), x_deploy_schema()], ids=["toml", "x-deploy"]
)
def test_every_key_says_what_it_means(schema: dict[str, Any]) -> None:
    """In the page, and in an editor."""
    tables = {"": schema, **schema["$defs"]}
    silent = [
        f"{name}.{key}" for name, table in tables.items()
        for key, of in _properties(table).items()
        if not of.get("description") and "$ref" not in str(of)
    ]  # fmt: skip
    assert silent == []


def _properties(table: dict[str, Any]) -> dict[str, Any]:
    inner = next((one for one in table.get("anyOf", ()) if "properties" in one), table)
    return inner["properties"]


@pytest.mark.parametrize("page", ["environment.md", "x-deploy.md"])
def test_every_key_has_a_row(page: str, written: dict[str, str]) -> None:
    schema = environment_schema() if page == "environment.md" else x_deploy_schema()
    keys = {key for table in (schema, *schema["$defs"].values()) for key in _properties(table)}
    assert keys == set(re.findall(r"^\| `(\w+)` \|", written[page], re.MULTILINE))


def test_every_flow_has_a_part(written: dict[str, str]) -> None:
    everywhere, on_control_plane = declared()
    parts = re.findall(r"^## `(\w+)`$", written["flows.md"], re.MULTILINE)
    assert parts == [entry.name for entry in (*everywhere, *on_control_plane)]


def test_every_exit_code_and_event_is_explained(written: dict[str, str]) -> None:
    assert set(CODES) == set(ExitCode)
    assert set(NEWS) == set(get_args(Kind))
    rows = re.findall(r"^\| (\d) \|", written["exit-codes.md"], re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


def test_every_variable_that_the_code_reads_is_listed() -> None:
    names = _read_directly() | _read_by_the_steps_of_workflows()
    assert {"HOMEGURU_STATE", "HOMEGURU_SECRETS", "SSH_HOST", "GITHUB_RUN_ID"} <= names
    assert names - variables.names() == set()


def test_every_listed_variable_is_read_somewhere() -> None:
    files = [ROOT / "Makefile", *(ROOT / "docker").glob("*.hcl"), *_modules()]
    text = "\n".join(file.read_text() for file in files)
    unread = {name for name in variables.names() if not re.search(rf"\b{name}\b", text)}
    assert unread == READ_OTHERWISE


def _modules() -> list[Path]:
    infra = [f for f in (ROOT / "infra").rglob("*.py") if "reference" not in f.parts]
    return [*infra, *(ROOT / "flows").glob("*.py")]


def _read_directly() -> set[str]:
    return {name for file in _modules() for name in _read(ast.parse(file.read_text()))}


def _read(module: ast.Module) -> Iterator[str]:
    """Names in `os.environ[...]`, `.get(...)` and `.setdefault(...)`, also by a constant of the module."""
    constants = {
        node.targets[0].id: node.value.value for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    for node in ast.walk(module):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice if _is_environ(node.value) else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            key = node.args[0] if _is_environ(node.func.value) else None
        if isinstance(key, ast.Constant):
            yield str(key.value)
        elif isinstance(key, ast.Name) and key.id in constants:
            yield str(constants[key.id])


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _read_by_the_steps_of_workflows() -> set[str]:
    """Their inputs are read by name in loops and by helpers: every constant that looks like one."""
    found = set()
    for file in (ROOT / "infra" / "cli" / "actions").glob("*.py"):
        constants = (
            n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)
        )
        found |= {c for c in constants if isinstance(c, str) and _is_variable(c)}
    return found


def _is_variable(text: str) -> bool:
    return text.startswith(PREFIXES) and re.fullmatch(r"[A-Z_]*[A-Z]", text) is not None
