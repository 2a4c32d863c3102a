"""Passwords that several services know: one secret, also where it stands inside an address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployments.compose.references import Reference, interpolate, parse, variable_name
from deployments.environment import secret_kinds as secrets
from deployments.onboarding.bodies import environment_of, values_of
from deployments.onboarding.equal_passwords import is_password, of_database, same_passwords
from deployments.onboarding.repository import Repository

_ADDRESS = re.compile(r"://([^:/@\s$]*):([^:/@\s$]+)@([\w.-]+)")
_ACCOUNTS = (
    ("POSTGRES_USER", "POSTGRES_PASSWORD", "postgres"),
    ("MYSQL_USER", "MYSQL_PASSWORD", ""),
    ("MARIADB_USER", "MARIADB_PASSWORD", ""),
    ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", ""),
)
"""Of a database's image: variables of its user and that one's password, and the user without the first."""


@dataclass(frozen=True)
class Passwords:
    """literal: what stands in the Compose file, to the variable that takes its place.

    examples: the same of the examples of env files. accounts: service and user to the variable.
    same: variables of the same password, each to the one that takes its place.
    ordinary: values, programs and names that a password may happen to equal, such as `postgres`.
    """

    literal: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    ordinary: frozenset[str] = frozenset()
    same: Mapping[str, str] = field(default_factory=dict)

    def in_addresses(self, text: str) -> str:
        """A text with a reference in the place of each known password of an address."""

        def filled(match: re.Match[str]) -> str:
            user, password, host = match.groups()
            known = (
                self.accounts.get((host, user))
                or self.literal.get(password)
                or self.examples.get(password)
            )
            return f"://{user}:${{{known}}}@{host}" if known else match[0]

        return _ADDRESS.sub(filled, text)

    def in_command(self, text: str) -> str:
        """Words of a command, where a password is one of them or a part."""
        for password, name in self.literal.items():
            if password not in self.ordinary:
                text = re.sub(rf"(?<![\w-]){re.escape(password)}(?![\w-])", f"${{{name}}}", text)
        return self.in_addresses(text)


def passwords_of(found: Repository) -> Passwords:
    """Every password that the repository shows."""
    bodies = found.services.items()
    values = [pair for _, body in bodies for pair in environment_of(body).items()]
    literal = {
        value: variable_name(name)
        for name, value in values
        if "$" not in value and secrets.is_named_secret(name, value) and len(value) > 2
    }
    ordinary = {value for name, value in values if not secrets.is_named_secret(name, value)}
    programs = {_program(str(body.get("image", ""))) for _, body in bodies}
    accounts = {
        (service, user): variable
        for service, body in bodies
        for user, variable in _accounts(found, body, literal)
    }
    examples = found.examples()
    # Also of files that are somebody's own: not the values are written, but that they are equal.
    own = {
        variable_name(n): value for file in found.env_files.values() for n, value in file.items()
    }
    given = {**_defaults(text for _, text in values), **own, **examples}
    given |= {name: value for value, name in literal.items()}
    passwords = {name: value for name, value in given.items() if is_password(name, value)}
    same = same_passwords(passwords, {*accounts.values(), *literal.values()})
    # Of equal ones the database's comes last, and counts: that is the one in addresses.
    named = sorted((n for n in passwords if n in examples), key=of_database)
    return Passwords(
        literal,
        {examples[name]: same.get(name, name) for name in named},
        {at: same.get(name, name) for at, name in accounts.items()},
        frozenset({*ordinary, *programs, *found.services}),
        same,
    )


def _defaults(texts: Iterable[str]) -> dict[str, str]:
    """What texts give to variables that nobody gives a value."""
    parts = (part for text in texts for part in parse(text))
    return {p.name: p.word for p in parts if isinstance(p, Reference) and "-" in p.how}


def _program(image: str) -> str:
    """The name of an image without registry and tag: that of its program, as a rule."""
    return re.split(r"[:@]", image.rpartition("/")[2])[0]


def _accounts(
    found: Repository, body: Mapping[str, Any], literal: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Users of a database, with the variable of each one's password."""
    values = values_of(found, body)
    pairs = []
    for user_name, password_name, default in _ACCOUNTS:
        if password_name not in values:
            continue
        user = interpolate(values.get(user_name, default), found.examples()) or default
        password = values[password_name]
        named = [p.name for p in parse(password) if isinstance(p, Reference)]
        variable = literal.get(password, "") if "$" not in password else "".join(named[:1])
        if user and variable:
            pairs.append((user, variable))
    return pairs
