"""Kinds of steps: one table, which decisions ask; names are for people alone."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from deployments.history import step_kind
from deployments.history.step_kind import Kind, KindTraits, StepKey, key_of_v1, kind_traits

ROOT = Path(__file__).parents[2]


KINDS = set(get_args(Kind))

TABLE = {
    "repeatable": {
        "keep", "upload", "restore-files", "arm", "pull", "prepare", "let-go", "verify", "drain",
        "end-login",
        "maintenance-on", "maintenance-off",
    },
    "works_beside": {"back-up", "drill"},
    "exchanges_database": {"set-aside", "restore"},
    "copies_database": {"back-up", "set-aside", "restore", "drill"},
    "backs_up": {"back-up"},
    "changes_database": {"restore", "migrate", "downgrade"},
    "starts_service": {"start", "recreate", "replace"},
    "starts_all": {"start-adopted", "hand-over", "start-new"},
    "replaces_service": {"replace", "start-new"},
    "removes_service": {"remove"},
    "reloads_edge": {"reload"},
    "switches_maintenance": {"maintenance-on", "maintenance-off"},
}  # fmt: skip


def test_every_kind_has_its_row():
    assert set(step_kind._KINDS) == KINDS


@pytest.mark.parametrize("trait", TABLE)
def test_the_kinds_with_a_trait(trait):
    assert {kind for kind in KINDS if getattr(kind_traits(kind), trait)} == TABLE[trait]


def test_every_trait_is_in_the_table():
    assert {field.name for field in fields(KindTraits)} == {*TABLE, "name"}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("replace api", StepKey("replace", "api")),
        ("let go of former api", StepKey("let-go", "api")),
        ("start release 0", StepKey("start-adopted")),
        ("start postgres", StepKey("start", "postgres")),
        ("prepare roles", StepKey("roles")),
        ("prepare bot", StepKey("prepare", "bot")),
        ("restore database", StepKey("restore")),
        ("remove containers", StepKey("remove-all")),
        ("undo: replace api", StepKey("undo: replace api")),
        ("something newer", StepKey("something newer")),
    ],
)
def test_a_name_of_format_1_says_what_it_was(name, key):
    assert key_of_v1(name) == key


def test_names_of_format_1_are_of_known_kinds():
    kinds = {*step_kind._NAMES_V1.values(), *step_kind._PREFIXES_V1.values()}
    assert kinds <= set(get_args(Kind))


def test_a_step_is_named_for_people():
    assert StepKey("let-go", "api").name == "let go of former api"
    assert StepKey("of-a-newer-version", "api").name == "of-a-newer-version"
    assert not kind_traits("of-a-newer-version").exchanges_database


def _sides(node: ast.AST) -> list[ast.expr]:
    """What is compared, or looked for at an end of a text."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    ends = ("startswith", "endswith", "removeprefix", "removesuffix")
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ends
    ):
        return [node.func.value, *node.args]
    return []


def _compares_a_step(node: ast.AST) -> bool:
    sides = _sides(node)
    words = {
        constant.value.strip()
        for side in sides
        for constant in ast.walk(side)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    names = {traits.name.replace("{}", "").strip() for traits in step_kind._KINDS.values()}
    # A name of several words can be nothing else.
    if any(" " in word for word in words & names):
        return True
    of_a_step = any(
        re.search(r"\bstep\b|\bsteps\b|\.key\b|\bs\.(name|kind|step)\b", ast.unparse(side))
        for side in sides
    )
    return of_a_step and bool(words & (names | KINDS))


@pytest.mark.parametrize("folder", ["deployments", "infra", "flows"])
def test_nobody_compares_the_name_or_the_kind_of_a_step(folder):
    """Rewording a step breaks nothing: recovery, journal and preflight ask the table."""
    found = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Compare | ast.Call) and _compares_a_step(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "said",
    ['step.name == "drill"', '"set database aside" in names', 's.name.startswith("replace ")',
     'step.kind in ("remove", "stop")', 's.key.kind == "pull"'],
)  # fmt: skip
def test_the_comparison_would_be_found(said):
    assert any(_compares_a_step(node) for node in ast.walk(ast.parse(said)))


def test_a_kind_of_a_newer_journal_is_text_and_no_template():
    assert StepKey("{0.__class__}{x}", "api").name == "{0.__class__}{x}"
