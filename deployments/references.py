"""References to variables, as Compose writes and fills them."""

from __future__ import annotations

import re

# `$$`, `$NAME` or `${NAME}`, the last one with `-default`, `?complaint` or `+replacement`.
_REFERENCE = re.compile(
    r"\$(?:\$|(?P<bare>[A-Za-z_]\w*)|"
    r"\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>(?:[^{}]|\$\{[^{}]*\})*))?\})",
    re.ASCII,
)


def references(text: str) -> dict[str, str | None]:
    """Variables that a text refers to, with their defaults; one without wins over one with.

    A reference inside a default is Compose's own, such as ${COMPOSE_PROJECT_NAME}.
    """
    found: dict[str, str | None] = {}
    for match in _REFERENCE.finditer(text):
        name, how = match["name"] or match["bare"], match["how"] or ""
        if not name:
            continue
        if "-" in how:
            found[name] = found.get(name, match["word"])
        else:
            found[name] = found.get(name, "") if "+" in how else None
    return found


def interpolate(text: str, values: dict[str, str]) -> str:
    """Fill references as Compose does, for `x-deploy`'s own values."""
    return _REFERENCE.sub(lambda match: _filled(match, values), text)


def _filled(match: re.Match[str], values: dict[str, str]) -> str:
    name, how = match["name"] or match["bare"], match["how"] or ""
    if not name:
        return "$"
    value = values.get(name)
    there = bool(value) if ":" in how else value is not None
    if "+" in how:
        return interpolate(match["word"], values) if there else ""
    if "-" in how and not there:
        return interpolate(match["word"], values)
    return value or ""
