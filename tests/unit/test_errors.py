"""Errors: four parts of text, an exit code, and they survive a trip through pickle."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from deployments.errors import (
    HomeguruError,
    Interrupted,
    Locked,
    Refused,
    StepFailed,
    Unreachable,
    WrongUse,
    as_dict,
    from_dict,
    in_state,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (HomeguruError, 1), (WrongUse, 2), (Refused, 3), (Locked, 3), (StepFailed, 1),
        (Unreachable, 1), (Interrupted, 1),
    ],
)  # fmt: skip
def test_exit_codes(kind, code):
    assert kind("x").exit_code == code


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "it broke"),
        ({"where": "host"}, "host: it broke"),
        ({"state": "untouched"}, "it broke\nServer: untouched"),
        (
            {"where": "host", "state": "untouched", "todo": "wait"},
            "host: it broke\nServer: untouched\nNext: wait",
        ),
    ],
)
def test_the_text_holds_only_the_parts_that_are_said(parts, text):
    assert str(HomeguruError("it broke", **parts)) == text


def test_an_error_survives_pickle():
    before = Locked("busy", where="host", state="as it was", todo="wait")
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is Locked
    assert str(after) == str(before)


FOUND = {"environment": "prod", "checks": [{"service": "api", "ok": False}]}


def test_what_a_run_found_stays_with_its_error():
    before = StepFailed("busy", where="host", todo="wait")
    before.summary = FOUND
    assert pickle.loads(pickle.dumps(before)).summary == FOUND
    later = in_state(before, "unchanged")
    assert isinstance(later, StepFailed)
    assert (later.summary, later.state) == (FOUND, "unchanged")


def test_a_program_gets_what_was_found_beside_the_error():
    before = StepFailed("busy", where="host", todo="wait")
    before.summary = FOUND
    shown = as_dict(before)
    assert shown["error"] == "busy"
    assert shown["checks"] == FOUND["checks"]
    after = from_dict(shown)
    assert type(after) is StepFailed
    assert after.summary == FOUND


ROOT = Path(__file__).resolve().parents[2]
KINDS = (
    "HomeguruError", "WrongUse", "Refused", "Locked", "StepFailed", "Unreachable", "Interrupted",
)  # fmt: skip


def _errors() -> list[tuple[str, ast.Call]]:
    files = [f for name in ("deployments", "infra", "flows") for f in (ROOT / name).rglob("*.py")]
    return [
        (f"{file.relative_to(ROOT)}:{node.lineno}", node)
        for file in sorted(files)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in KINDS
        and node.args
    ]


def test_every_error_says_what_to_do_next():
    found = _errors()
    assert len(found) > 150
    without = [at for at, call in found if "todo" not in {k.arg for k in call.keywords}]
    assert without == []


def test_no_next_step_stops_what_serves():
    """What has a port may be the application that is to be taken over."""
    steps = [
        ast.unparse(keyword.value)
        for _, call in _errors()
        for keyword in call.keywords
        if keyword.arg == "todo"
    ]
    assert [step for step in steps if "stop it" in step or "docker stop" in step] == []
