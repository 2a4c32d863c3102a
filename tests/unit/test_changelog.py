"""Tag, version and changelog of this project: together, or nothing is published."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from deployments.changelog import UNRELEASED, UPGRADE, notes, released, sections, tagged
from deployments.errors import WrongUse

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = f"""\
# Changelog

## [{UNRELEASED}]

- Not yet.

## [1.2.0] - 2030-03-31

{UPGRADE} `homeguru setup`, on
each control plane.

### Added

- A thing, which
  takes two lines.
- Another one.

## [1.1.0] - 2030-02-01

- No word for those who upgrade.

## [1.0.0]

{UPGRADE} nothing.
"""


def test_sections_are_read_in_their_order() -> None:
    found = sections(CHANGELOG)
    assert [(each.version, each.date) for each in found] == [
        (UNRELEASED, ""), ("1.2.0", "2030-03-31"), ("1.1.0", "2030-02-01"), ("1.0.0", ""),
    ]  # fmt: skip
    assert found[0].text == "- Not yet."
    assert found[-1].text == f"{UPGRADE} nothing."


def test_a_tag_names_the_projects_version() -> None:
    assert tagged("v1.2.0", "1.2.0") == "1.2.0"


@pytest.mark.parametrize("tag", ["1.2.0", "v1.2", "v1.2.0-rc1", "v1.2.0\n", "v1.2.0;id", ""])
def test_another_tag_is_none_of_a_version(tag: str) -> None:
    with pytest.raises(WrongUse, match="is not the tag of a version"):
        tagged(tag, "1.2.0")


def test_a_tag_of_another_version_is_refused() -> None:
    with pytest.raises(WrongUse, match=r"the tag is v1\.3\.0, and the project's version 1\.2\.0"):
        tagged("v1.3.0", "1.2.0")


@pytest.mark.parametrize(
    ("version", "lacks"),
    [
        ("1.3.0", "no section of 1.3.0"),
        ("1.0.0", "the section of 1.0.0 has no date"),
        ("1.1.0", "does not tell those who upgrade what they must do"),
    ],
)
def test_a_version_that_is_not_described_is_refused(version: str, lacks: str) -> None:
    with pytest.raises(WrongUse, match=re.escape(lacks)) as refused:
        released(CHANGELOG, version)
    assert refused.value.todo


def test_notes_have_a_line_for_each_paragraph_and_item() -> None:
    image = "ghcr.io/acme/homeguru-flows@sha256:" + "a" * 64
    assert notes(released(CHANGELOG, "1.2.0"), image) == (
        f"{UPGRADE} `homeguru setup`, on each control plane.\n\n### Added\n\n"
        "- A thing, which takes two lines.\n- Another one.\n\n"
        f"Image of the control plane: `{image}`\n"
    )


def test_the_projects_own_changelog_is_of_that_form() -> None:
    found = sections((ROOT / "CHANGELOG.md").read_text())
    assert len(found) == len(re.findall(r"^## ", (ROOT / "CHANGELOG.md").read_text(), re.M))
    assert found[0].version == UNRELEASED
    numbers = [tuple(int(part) for part in each.version.split(".")) for each in found[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert [each.version for each in found if UPGRADE not in each.text] == []


def test_the_projects_version_has_a_section() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = [each.version for each in sections((ROOT / "CHANGELOG.md").read_text())]
    assert project["version"] in versions
