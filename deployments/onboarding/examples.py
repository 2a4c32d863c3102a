"""What an example of an env file gives a variable: a value, or a text that names other variables.

Compose fills references in env files. A value of the environment's file has none, so a text with them
stands in the Compose file itself.
"""

from __future__ import annotations

import re

from deployments.compose.references import Reference, interpolate, parse, references, variable_name
from deployments.environment import secret_kinds as secrets
from deployments.onboarding import addresses
from deployments.onboarding.facts import RepositoryFacts

NAME = re.compile(r"[A-Z][A-Z0-9_]*")

_ANYTHING = "anything"
"""Stands where a variable does, as a part of an address of any kind."""


def text_of(
    known: RepositoryFacts, name: str, example: str | None = None, above: tuple[str, ...] = ()
) -> str:
    """What takes the variable's place in the Compose file; empty where its value stands elsewhere.

    example: of the service's own env file. above: variables whose texts name this one.
    """
    given = known.found.example(name) if example is None else example
    text = known.passwords.in_addresses(given)
    inside = references(text)
    above = (variable_name(name), *above)
    if not inside or not all(NAME.fullmatch(n) for n in inside) or inside.keys() & set(above):
        return ""
    value = value_of(known, name, given)
    if _shows_secret(name, text, value) or addresses.is_laptop(name, value, known.ports):
        return ""
    return inlined(known, text, above)


def inlined(known: RepositoryFacts, text: str, above: tuple[str, ...] = ()) -> str:
    """A text of the Compose file with what examples say of variables in it, and one name a password."""
    if not references(text):
        return text
    parts = [
        part.replace("$", "$$") if isinstance(part, str) else _inlined(known, part, above)
        for part in parse(text)
    ]
    changed = "".join(parts)
    # As it was written, where that means the same.
    return text if _plain(changed) == _plain(text) else changed


def _inlined(known: RepositoryFacts, part: Reference, above: tuple[str, ...]) -> str:
    if "+" not in part.how and (text := text_of(known, part.name, above=above)):
        return text
    word = inlined(known, part.word, above) if part.how and "?" not in part.how else part.word
    return str(Reference(known.passwords.same.get(part.name, part.name), part.how, word))


def _plain(text: str) -> list[str | Reference]:
    """Parts in one form; neighbours that are both literal are one."""
    joined: list[str | Reference] = []
    for part in parse(text):
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def value_of(known: RepositoryFacts, name: str, example: str | None = None) -> str:
    """A variable's value with the examples of those that it names, as the environment's file takes it."""
    return _filled(known.found.examples(), name, example, ())


def _filled(
    examples: dict[str, str], name: str, example: str | None, above: tuple[str, ...]
) -> str:
    text = examples.get(name, "") if example is None else example
    inside = references(text).keys()
    if not all(NAME.fullmatch(n) for n in inside):
        return text
    others = {n: _filled(examples, n, None, (*above, name)) for n in inside - {name, *above}}
    return interpolate(text, others)


def holds_secret(known: RepositoryFacts, name: str) -> bool:
    """Whether a variable must not be seen: by its name, its value, or what its example names."""
    seen, ahead = set(), [name]
    while ahead:
        each = ahead.pop()
        if secrets.is_secret(each, value_of(known, each)):
            return True
        seen.add(each)
        ahead += references(known.found.example(each)).keys() - seen
    return False


def _shows_secret(name: str, text: str, value: str) -> bool:
    """Whether a secret would be seen in the Compose file: a literal part of a text. value: of it, filled."""
    filled = interpolate(text, dict.fromkeys(references(text), _ANYTHING))
    if password := secrets.password_of(filled):
        return password.replace(_ANYTHING, "") != ""
    literal = any(isinstance(part, str) for part in parse(text))
    return literal and secrets.is_named_secret(name, value)
