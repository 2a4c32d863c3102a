"""Variables whose passwords are equal in examples: an application logs in by one of another name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from deployments.environment import secret_kinds as secrets

_PASSWORD = re.compile(r"PASS|(^|_)(PWD|PW)(_|$)")
_DATABASE = "database"
_PARTIES = (
    # Before the database's, whose page it is.
    ("admin", re.compile(r"ADMIN|SUPERUSER")),
    ("cache", re.compile(r"REDIS|VALKEY|CACHE")),
    ("broker", re.compile(r"RABBIT|AMQP|BROKER")),
    ("mail", re.compile(r"MAIL|SMTP|IMAP")),
    (
        _DATABASE,
        re.compile(
            r"(^|_)(DB|PG|JDBC)|SQL|POSTGRES|MARIADB|MONGO|DATABASE|DATASOURCE|TYPEORM|SEQUELIZE"
        ),
    ),
)
"""Whose password a name says it is. Two of these may have the same one in an example by chance."""
_COMMON = re.compile(
    r"chang|your|example|placeholder|replace|todo|secret|pass|admin|test|root|postgres|demo|dev|1234|xxx|<",
    re.IGNORECASE,
)
"""In values that stand in many examples, so that equal ones say nothing."""


def is_password(name: str, value: str) -> bool:
    """Whether a variable is one, and its value is more than a placeholder of two letters."""
    named = _PASSWORD.search(name) and secrets.is_named_secret(name, value)
    return bool(named) and len(value) > 2 and "$" not in value


def of_database(name: str) -> bool:
    return _party(name, "") == _DATABASE


def same_passwords(values: Mapping[str, str], first: Collection[str]) -> dict[str, str]:
    """Name to that of the variable which has its value. first: names that stay, where there is a choice."""

    def rank(name: str) -> tuple[bool, bool]:
        return name not in first, secrets.kind_of(name) != "random"

    taken: dict[tuple[str, str], str] = {}
    same = {}
    for name in sorted(values, key=rank):
        value = values[name]
        stays = taken.setdefault((value, _party(name, value)), name)
        if stays != name:
            same[name] = stays
    return same


def _party(name: str, value: str) -> str:
    for party, pattern in _PARTIES:
        if pattern.search(name):
            return party
    # Most applications have one password, and that is the database's.
    return _DATABASE if value and not _COMMON.search(value) else name
