"""Errors: four parts of text, an exit code, and they survive a trip through pickle."""

from __future__ import annotations

import pickle

import pytest

from deployments.errors import (
    HomeguruError,
    Interrupted,
    Locked,
    Refused,
    StepFailed,
    Unreachable,
    WrongUse,
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
