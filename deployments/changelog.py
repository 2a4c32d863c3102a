"""CHANGELOG.md and the tag of a version of this project itself.

The releases of an application are another thing: `release/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployments.errors import WrongUse

FILE = "CHANGELOG.md"
UNRELEASED = "Unreleased"
UPGRADE = "**What you must do**:"
"""Begins the paragraph of a version that its users read before they upgrade."""
_TAG = re.compile(r"v(\d+\.\d+\.\d+)")
_HEADING = re.compile(r"^## \[([^\]\n]+)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)
#: The end of a line that the next one continues: not a heading, not an item, not a blank line.
_BREAK = re.compile(r"(?<=\S)\n *(?=[^\s#-])")


@dataclass(frozen=True)
class ChangelogSection:
    """What one version changed. date: empty until it is released."""

    version: str
    date: str
    text: str


def sections(changelog: str) -> list[ChangelogSection]:
    """The sections of a changelog, in its order: the newest is the first."""
    found = list(_HEADING.finditer(changelog))
    ends = [*(each.start() for each in found[1:]), len(changelog)]
    return [
        ChangelogSection(each[1], each[2] or "", changelog[each.end() : end].strip())
        for each, end in zip(found, ends, strict=True)
    ]


def tagged(tag: str, project: str) -> str:
    """The version that a tag names.

    project: the version in pyproject.toml. Raises WrongUse when the tag names another one.
    """
    named = _TAG.fullmatch(tag)
    if not named:
        raise WrongUse(f"{tag!r} is not the tag of a version", todo="a tag such as v1.2.0")
    if named[1] != project:
        raise WrongUse(
            f"the tag is {tag}, and the project's version {project}", where="pyproject.toml",
            todo=f"tag the commit whose version is {named[1]}, or set that version and tag anew",
        )  # fmt: skip
    return named[1]


def released(changelog: str, version: str) -> ChangelogSection:
    """The section of a version that is about to be released.

    Raises WrongUse where there is none, or where it lacks its date or what users must do.
    """
    found = next((each for each in sections(changelog) if each.version == version), None)
    if not found:
        raise WrongUse(
            f"it has no section of {version}", where=FILE,
            todo=f"name the section [{UNRELEASED}] so, with today's date",
        )  # fmt: skip
    if not found.date:
        raise WrongUse(
            f"the section of {version} has no date", where=FILE,
            todo=f"## [{version}] - YYYY-MM-DD, the day of the release",
        )  # fmt: skip
    if UPGRADE not in found.text:
        raise WrongUse(
            f"the section of {version} does not tell those who upgrade what they must do",
            where=FILE, todo=f'a paragraph that begins "{UPGRADE}", even if it is nothing',
        )  # fmt: skip
    return found


def notes(section: ChangelogSection, image: str = "") -> str:
    """The notes of a release on GitHub, which shows each line break of them.

    image: of the control plane, by its digest.
    """
    text = _BREAK.sub(" ", section.text)
    return f"{text}\n\nImage of the control plane: `{image}`\n" if image else f"{text}\n"
