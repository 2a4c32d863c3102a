"""The parameter `by`: who asks, and from where."""

from __future__ import annotations

import pytest

from deployments.history.requester import Requester, parse_requester

PAGE = "https://github.com/octo/homeguru/actions/runs/42"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("cli:anna@laptop", Requester("anna@laptop", "cli")),
        (
            f"actions:octocat {PAGE} 0a1b2c3d4e5f",
            Requester("octocat", "actions", PAGE, "0a1b2c3d4e5f"),
        ),
        (f"actions:octocat {PAGE}", Requester("octocat", "actions", PAGE)),
        ("actions:octocat 0a1b2c3d4e5f", Requester("octocat", "actions", "", "0a1b2c3d4e5f")),
        ("schedule:schedule", Requester("schedule", "schedule")),
    ],
)
def test_what_we_write_is_read_again(text: str, asked: Requester) -> None:
    assert parse_requester(text) == asked
    assert str(asked) == text


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("Anna from sales", "Anna from sales"),
        ("root:x", "root:x"),  # no origin of ours
        ("actions:", "actions:"),
        ("cli:a b c", "cli:a b c"),
        ("x\ny", "x y"),
        ("n" * 200, "n" * 80),
    ],
)
def test_a_name_typed_into_the_form_is_a_name(typed: str, who: str) -> None:
    assert parse_requester(typed) == Requester(who, "ui")


@pytest.mark.parametrize("nothing", ["", "  ", "\n"])
def test_nothing_claims_nothing(nothing: str) -> None:
    assert parse_requester(nothing) is None


def test_tags_are_what_people_filter_by() -> None:
    tags = Requester("octocat", "actions", PAGE, "0a1b2c3d4e5f").tags
    assert tags == ["by:octocat", "from:actions", "0a1b2c3d4e5f"]
