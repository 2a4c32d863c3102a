"""A `.dockerignore`, read as BuildKit reads it.

Source: moby/patternmatcher, `ignorefile.ReadAll` and `MatchesUsingParentResults`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

from deployments.errors import WrongUse


class _Rule(NamedTuple):
    leaves_out: bool
    pattern: str
    regex: re.Pattern[str]


class Dockerignore:
    """Which paths, relative with `/`, reach a build. The last rule that matches decides.

    A rule that matches a folder matches all below it. What the rules say of a folder is worked
    out once: a source has many files and few folders.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._rules = _rules(text)
        self._folders: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._rules)}
        self._may_hold: dict[str, bool] = {}

    def lets_in(self, path: str) -> bool:
        """Whether the build gets this file."""
        folder = path.rpartition("/")[0]
        if not self.may_hold(folder):
            return False
        rules = zip(reversed(self._of_folder(folder)), reversed(self._rules), strict=True)
        decides = (r.leaves_out for above, r in rules if above or r.regex.fullmatch(path))
        return not next(decides, False)

    def select(self, paths: Iterable[str]) -> list[str]:
        """The files of these that the build gets, sorted."""
        return sorted(path for path in paths if self.lets_in(path))

    def may_hold(self, folder: str) -> bool:
        """Whether a file below this folder may be let in; one without need not be walked."""
        is_open = self._may_hold.get(folder)
        if is_open is None:
            is_open = self._may_hold[folder] = self._is_open(folder)
        return is_open

    def _is_open(self, folder: str) -> bool:
        """What leaves a folder out is final, but for exceptions below it that come later."""
        for matched, rule in zip(
            reversed(self._of_folder(folder)), reversed(self._rules), strict=True
        ):
            if matched:
                return not rule.leaves_out
            if not rule.leaves_out and _on_one_way(_head(rule.pattern), folder):
                return True
        return True

    def _of_folder(self, folder: str) -> tuple[bool, ...]:
        """Each rule: does it match the folder, or one above it?"""
        verdicts = self._folders.get(folder)
        if verdicts is None:
            above = self._of_folder(folder.rpartition("/")[0])
            verdicts = self._folders[folder] = tuple(
                matched or rule.regex.fullmatch(folder) is not None
                for matched, rule in zip(above, self._rules, strict=True)
            )
        return verdicts


def _rules(text: str) -> list[_Rule]:
    rules = []
    for line in text.removeprefix("\ufeff").splitlines():
        words = "" if line.startswith("#") else line.strip()
        leaves_out = not words.startswith("!")
        pattern = words.removeprefix("!").strip()
        if pattern:
            clean = posixpath.normpath(pattern).lstrip("/")
            rules.append(_Rule(leaves_out, clean, _regex(clean)))
    return rules


def _regex(pattern: str) -> re.Pattern[str]:
    """`*` and `?` never cross a `/`, `**` is any number of folders, `[a-z]` a class as in Go."""
    regex, at = "", 0
    while at < len(pattern):
        rest = pattern[at:]
        if rest == "**":
            regex, step = f"{regex}.*", 2
        elif rest.startswith("**"):
            regex, step = f"{regex}(?:.*/)?", 3 if rest.startswith("**/") else 2
        elif part := re.match(r"\[([^\]/]+)\]", rest):
            inside = part[1].replace("[", r"\[")
            regex, step = f"{regex}[{inside}]", part.end()
        elif rest[0] == "\\" and len(rest) > 1:
            regex, step = regex + re.escape(rest[1]), 2
        else:
            regex, step = regex + {"*": "[^/]*", "?": "[^/]"}.get(rest[0], re.escape(rest[0])), 1
        at += step
    try:
        return re.compile(regex, re.DOTALL)
    except re.error as error:
        raise WrongUse(
            f"{pattern!r} in a .dockerignore is no pattern: {error}",
            state="untouched",
            todo="correct that line; Docker refuses it too",
        ) from None


def _head(pattern: str) -> str:
    """The folders of a pattern before its first part that is no plain name."""
    plain = []
    for part in pattern.split("/"):
        if re.search(r"[*?\[\\]", part):
            break
        plain.append(part)
    return "/".join(plain)


def _on_one_way(head: str, folder: str) -> bool:
    """Whether one of the two lies in the other."""
    return not head or f"{folder}/".startswith(f"{head}/") or f"{head}/".startswith(f"{folder}/")
