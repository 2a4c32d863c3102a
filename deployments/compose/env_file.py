"""Env files: what Compose reads on the host, and the file of secrets that a person writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from deployments.errors import WrongUse

_ESCAPED = re.compile(r'(?P<quote>")(?P<value>(?:\\.|[^"\\])*)"(?:\s+#.*)?')
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<value>.*?)(?P=quote)(?:\s+#.*)?""")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = re.compile(r"\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*['\"]")


def render_env(values: Mapping[str, str | SecretStr]) -> str:
    """An env file that Compose reads back to exactly these values.

    Single quotes keep everything literal but `\\'`; a value that holds a quote or a line break or
    ends in a backslash goes into double quotes with `\\`, `"`, `$` and line breaks escaped: one
    line a value, as the scripts on the host read it.
    """
    return "".join(f"{name}={_quote(_reveal(value))}\n" for name, value in sorted(values.items()))


def _reveal(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _quote(value: str) -> str:
    if not set(value) & set("'\n\r") and not value.endswith("\\"):
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def parse_env(text: str) -> dict[str, str]:
    """Read back what `render_env` wrote, or what a person wrote for Compose."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        name, sep, raw = line.strip().partition("=")
        if not sep or name.startswith("#"):
            continue
        value, quote = _unquoted(raw.strip())
        values[name.removeprefix("export ").strip()] = (
            re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), value)
            if quote == '"'
            else value
        )
    return values


def _unquoted(raw: str) -> tuple[str, str]:
    """A value without its quotes and the comment after it, and which quotes they were.

    As Compose reads it: without quotes, a comment begins at a `#` after a space.
    """
    if match := _ESCAPED.fullmatch(raw) or _QUOTED.fullmatch(raw):
        return match["value"], match["quote"]
    return raw.partition(" #")[0].rstrip(), ""


def parse_secrets(text: str, where: str) -> dict[str, str]:
    """Read a person's secrets file: `NAME=value` lines, `#` comments, optional quotes.

    A value in quotes may have several lines, as a PEM has. It is no template: `$` and backslashes
    stay as they are.
    """
    values: dict[str, str] = {}
    for number, name, value, _ in _entries(text):
        if value is None or not NAME.fullmatch(name):
            raise WrongUse(
                f"line {number} is not NAME=value",
                where=where,
                state="untouched",
                todo="one NAME=value a line, comments begin with #; a value of several lines, for "
                "instance a PEM, stands in quotes",
            )
        values[name] = value
    return values


def parse_developers(text: str) -> tuple[dict[str, str], list[int]]:
    """Read an env file that was written for Compose, and the numbers of lines that say nothing here.

    Compose takes `export`, and a name alone, whose value whoever starts it has: here it is empty.
    References stay as they are; what single quotes keep literal is escaped, as in a Compose file.
    """
    values: dict[str, str] = {}
    unread = []
    for number, written, value, quote in _entries(text):
        name = re.sub(r"^export\s+", "", written)
        if NAME.fullmatch(name):
            values[name] = (value or "").replace("$", "$$" if quote == "'" else "$")
        else:
            unread.append(number)
    return values, unread


def _entries(text: str) -> Iterator[tuple[int, str, str | None, str]]:
    """Number of the line, what stands before the `=`, the value, None without `=`, and its quotes."""
    lines = text.splitlines()
    numbered = iter(enumerate(lines, start=1))
    for number, line in numbered:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, sep, raw = stripped.partition("=")
        further = _further_lines(raw.strip(), lines[number:]) if sep else []
        for _ in further:
            next(numbered)
        if further:
            yield number, name.strip(), "\n".join([raw.strip()[1:], *further]), raw.strip()[0]
        else:
            value, quote = _unquoted(raw.strip())
            yield number, name.strip(), value if sep else None, quote


def _further_lines(raw: str, following: list[str]) -> list[str]:
    """The further lines of a value that opens a quote and does not close it on its own line.

    Empty where none closes it before another value in quotes: then the quote is a character.
    """
    quote = raw[:1]
    if quote not in ("'", '"') or _ESCAPED.fullmatch(raw) or _QUOTED.fullmatch(raw):
        return []
    for count, line in enumerate(following, start=1):
        if _NAMED.match(line):
            return []
        if end := re.fullmatch(rf"(.*){quote}(\s+#.*|\s*)", line):
            return [*following[: count - 1], end[1]]
    return []


def with_secret(text: str, name: str, value: str, where: str) -> str:
    """A person's secrets file with another value in the place of one's; every other line as it was.

    Raises WrongUse for a value that such a file cannot hold.
    """
    before = parse_secrets(text, where)
    lines, end = text.splitlines(), "\r\n" if "\r\n" in text else "\n"
    first = next((n for n, line in enumerate(lines) if _is_of(line, name)), len(lines))
    last = first + 1 + before.get(name, "").count("\n")
    for quote in ("", "'", '"'):
        changed = [*lines[:first], f"{name}={quote}{value}{quote}", *lines[last:]]
        written = end.join(changed) + end
        if _read_again(written, where) == {**before, name: value}:
            return written
    raise WrongUse(
        f"the new value of {name} would be read as something else from a line of this file", where=where, state="untouched", todo="give another value",
    )  # fmt: skip


def _is_of(line: str, name: str) -> bool:
    return bool(re.match(rf"\s*{name}\s*=", line))


def _read_again(text: str, where: str) -> dict[str, str]:
    try:
        return parse_secrets(text, where)
    except WrongUse:
        return {}
