"""doc/architecture.md, the import contracts and the folders say the same of the house."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "doc/architecture.md").read_text()
PACKAGES = ("deployments", "infra")


def floors(container: str) -> list[set[str]]:
    """From the top down, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [found] = [c for c in contracts["contracts"] if c.get("containers") == [container]]
    assert found["type"] == "layers"
    assert found["exhaustive"]
    return [set(layer.split(" | ")) for layer in found["layers"]]


def drawn(package: str) -> list[set[str]]:
    """The same, as the picture shows them."""
    picture = TEXT.split("```")[1]
    part = picture.split(f"{package}/", 1)[1].split("──")[0]
    words = (re.match(r"\s+(\w+(?: \| \w+)*)(?:  |$)", line) for line in part.splitlines())
    return [set(word.group(1).split(" | ")) for word in words if word]


def rooms(package: str) -> set[str]:
    return {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}


def modules(package: str) -> set[str]:
    return {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_picture_shows_the_floors_that_are_held(package: str) -> None:
    assert drawn(package) == floors(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_stands_on_a_floor_and_has_a_paragraph(package: str) -> None:
    assert set().union(*floors(package)) == rooms(package) | modules(package)
    chapter = TEXT.split(f"## The rooms of `{package}/`")[1].split("\n## ")[0]
    for room in rooms(package):
        assert f"`{room}/`" in chapter


@pytest.mark.parametrize("package", PACKAGES)
def test_at_most_eight_modules_lie_outside_the_rooms(package: str) -> None:
    assert len(modules(package)) <= 8


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_says_what_belongs_there(package: str) -> None:
    for room in rooms(package):
        text = ast.get_docstring(ast.parse((ROOT / package / room / "__init__.py").read_text()))
        assert text and "belong" in text, room


def test_every_path_that_is_named_exists() -> None:
    named = re.findall(r"`((?:flows|infra|deployments)/[\w/.]+)`", TEXT)
    assert len(named) > 20
    assert [path for path in named if "NAME" not in path and not (ROOT / path).exists()] == []


def test_a_public_class_has_a_name_of_its_own() -> None:
    """A reader who looks for a noun finds one place."""
    found: dict[str, list[str]] = {}
    for folder in ("deployments", "infra"):
        for module in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(module.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found.setdefault(node.name, []).append(str(module.relative_to(ROOT)))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
