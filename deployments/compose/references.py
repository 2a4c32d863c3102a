"""References to variables, as Compose writes and fills them, nested to any depth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# `$$`, `$NAME` or the beginning of `${NAME}`, where `-`, `?` or `+` begins a word.
_START = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?P<how>:?[-?+])?)",
    re.ASCII,
)


@dataclass(frozen=True)
class Reference:
    """`${NAME}`, or one with a word: `-default`, `?complaint` or `+replacement`.

    how: the operator, with its colon; empty when there is no word.
    """

    name: str
    how: str = ""
    word: str = ""

    def __str__(self) -> str:
        return f"${{{self.name}{self.how}{self.word}}}"


def image_variable(service: str) -> str:
    """The variable of a service's image; a name does not begin with the digit of a service `3d`."""
    name = re.sub(r"[^A-Z0-9]+", "_", service.upper()).strip("_")
    return f"{name if name[:1].isalpha() else f'S_{name}'}_IMAGE"


def variable_name(name: str) -> str:
    """A variable of an environment for one that is called by another name: of capitals alone."""
    capitals = re.sub(r"[^A-Z0-9_]", "_", name.upper()).lstrip("_")
    return capitals if capitals[:1].isalpha() else f"V_{capitals}"


def in_capitals(text: str) -> tuple[str, frozenset[str]]:
    """A text with such names in its references, and the names that were others."""
    others: set[str] = set()

    def named(match: re.Match[str]) -> str:
        name = match["bare"] or match["name"] or ""
        if not name or variable_name(name) == name:
            return match[0]
        others.add(name)
        return match[0].replace(name, variable_name(name), 1)

    return _START.sub(named, text), frozenset(others)


def parse(text: str) -> list[str | Reference]:
    """Literal parts and references of a text, in order; what is no reference stays literal."""
    parts: list[str | Reference] = []
    at = 0
    for match in _START.finditer(text):
        if match.start() < at:
            continue
        parts.append(text[at : match.start()])
        reference, at = _reference(text, match)
        parts.append(reference)
    return [part for part in (*parts, text[at:]) if part != ""]


def _reference(text: str, match: re.Match[str]) -> tuple[str | Reference, int]:
    """What begins at the match, and where it ends."""
    if match["escaped"]:
        return "$", match.end()
    if match["bare"]:
        return Reference(match["bare"]), match.end()
    end = _closing_brace(text, match.end())
    if end < 0 or (not match["how"] and end != match.end()):
        return match[0], match.end()
    return Reference(match["name"], match["how"] or "", text[match.end() : end]), end + 1


def _closing_brace(text: str, start: int) -> int:
    """Where the brace closes that was opened before `start`; -1 when it does not."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return -1


def split(text: str, at: str) -> list[str]:
    """Parts of a text between separators; one within a reference ends none."""
    words = [""]
    for part in parse(text):
        # `parse` has read `$$`; here it stays as it was written.
        written = part.replace("$", "$$").split(at) if isinstance(part, str) else [str(part)]
        first, *more = written
        words[-1] += first
        words += more
    return words


def references(text: str) -> dict[str, str | None]:
    """Variables that a text refers to at any depth, with their defaults.

    None: somebody must give a value. One without a default wins over one with. What stands in a
    default or in a replacement may never be read, so it has an empty default: `unfilled` decides.
    """
    defaults: dict[str, str | None] = {}
    for part in parse(text):
        if isinstance(part, str):
            continue
        name = part.name
        if "-" in part.how:
            defaults[name] = defaults.get(name, part.word)
        else:
            defaults[name] = defaults.get(name, "") if "+" in part.how else None
        if part.how and "?" not in part.how:
            for inner, default in references(part.word).items():
                defaults.setdefault(inner, default or "")
    return defaults


def unfilled(text: str, values: Mapping[str, str]) -> frozenset[str]:
    """Variables that Compose would fill with nothing, or refuse to fill, given these values."""
    return frozenset(_unfilled(text, values, read=True))


def _unfilled(text: str, values: Mapping[str, str], *, read: bool) -> Iterator[str]:
    """read: whether the text is used. Compose checks `?` in a default that nobody reads, too."""
    for part in _only_references(parse(text)):
        is_set = _is_set(part, values)
        if "?" in part.how:
            yield from () if is_set else (part.name,)
        elif part.how:
            yield from _unfilled(part.word, values, read=read and is_set == ("+" in part.how))
        elif read and not is_set:
            yield part.name


def _only_references(parts: Iterable[str | Reference]) -> Iterator[Reference]:
    return (part for part in parts if isinstance(part, Reference))


def _is_set(reference: Reference, values: Mapping[str, str]) -> bool:
    value = values.get(reference.name)
    return bool(value) if ":" in reference.how else value is not None


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Fill references as Compose does, for `x-deploy`'s own values."""
    return "".join(part if isinstance(part, str) else _filled(part, values) for part in parse(text))


def _filled(reference: Reference, values: Mapping[str, str]) -> str:
    is_set = _is_set(reference, values)
    if "+" in reference.how:
        return interpolate(reference.word, values) if is_set else ""
    if "-" in reference.how and not is_set:
        return interpolate(reference.word, values)
    return values.get(reference.name, "")


def in_urls(text: str) -> frozenset[str]:
    """Variables that are a part of a URL, also of one that is another variable's default."""
    parts = parse(text)
    if parts and isinstance(parts[0], str) and re.match(r"[a-z][a-z0-9+.:-]*://", parts[0]):
        return frozenset(references(text))
    inner = [in_urls(part.word) for part in _only_references(parts)]
    return frozenset().union(*inner)
