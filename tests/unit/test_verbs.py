"""What each verb does, word for word; and nobody compares verbs by their words elsewhere."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from deployments.verbs import Traits, Verb, traits, verbs_that

ROOT = Path(__file__).resolve().parents[2]
WORDS = {*get_args(Verb), "publish", "release"}

TABLE = {
    "changes_what_runs": {
        "deploy",
        "migrate",
        "rollback",
        "restore",
        "adopt",
        "maintenance",
        "rotate",
    },
    "replaces_release": {"deploy", "rollback", "restore", "rotate"},
    "names_release": WORDS - {"migrate", "maintenance"},
    "switches_maintenance": {"maintenance"},
    "needs_approval_when_frozen": {"deploy", "migrate"},
    "may_migrate": {"deploy", "migrate"},
    "migrates_alone": {"migrate"},
    "backs_up_alone": {"backup"},
    "drills": {"drill"},
    "restores": {"restore"},
    "works_beside": {"backup", "drill"},
    "returns": {"rollback"},
    "rotates": {"rotate"},
    "undoes": {"undo"},
    "heals": {"heal"},
    "adopts": {"adopt"},
    "only_looks": {"verify"},
    "only_publishes": {"publish"},
    "publishes_and_deploys": {"release"},
    "converges": {"deploy", "release", "rollback", "restore", "verify", "rotate"},
    "goes_on": {"deploy", "rotate"},
    "notifies_failure": WORDS - {"release", "verify", "undo", "heal"},
}


@pytest.mark.parametrize("trait", TABLE)
def test_the_verbs_with_a_trait(trait: str) -> None:
    assert set(verbs_that(trait)) == TABLE[trait]


def test_every_trait_is_in_the_table() -> None:
    assert {field.name for field in fields(Traits)} == {*TABLE, "secrets"}


def test_whose_secrets_a_verb_gives() -> None:
    assert {verb: traits(verb).secrets for verb in WORDS if traits(verb).secrets != "keep"} == {
        "undo": "former", "heal": "present",
    }  # fmt: skip


def test_an_unknown_verb_does_the_usual() -> None:
    assert traits("teleport") == Traits()
    assert traits("teleport").names_release


def _compares_a_verb(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    named = any("verb" in ast.unparse(side) for side in sides)
    words = {
        constant.value
        for side in sides
        for constant in ast.walk(side)
        if isinstance(constant, ast.Constant)
    }
    return named and bool(words & WORDS)


@pytest.mark.parametrize("folder", ["deployments", "infra", "flows"])
def test_nobody_compares_a_verb_with_a_word(folder: str) -> None:
    found = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Compare) and _compares_a_verb(node)
    ]
    assert found == []
