"""Two roles that log in by turns, so that no connection is refused while a password changes.

A role of PostgreSQL has one password. Old containers open connections until they are gone, new
ones begin before that: so a new password comes with the other role, and the former one's ends
when its last container is gone. The second role acts as the first (`SET ROLE`), which owns and
may do all that it did before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.compose.extension import Database
from deployments.compose.references import Reference, interpolate, parse
from deployments.compose.stack import Stack
from deployments.compose.variables import Configuration

_SECOND = "_2"
LONGEST = 63
"""Bytes of a name in PostgreSQL."""


@dataclass(frozen=True)
class LoginRoles:
    """The application's role, and the second one beside it.

    variable: of the Compose file, by which containers learn which one they log in as.
    password: name of the secret. named: the environment gives the variable a value itself.
    """

    variable: str
    first: str
    password: str
    named: bool = False

    @property
    def second(self) -> str:
        """Logs in, and is the first for all that it does."""
        return f"{self.first}{_SECOND}"

    def active(self, env: Mapping[str, str]) -> str:
        """Which one containers with these variables log in as."""
        return self.second if env.get(self.variable) == self.second else self.first

    def other(self, role: str) -> str:
        """The one whose turn is next."""
        return self.first if role == self.second else self.second

    def given(self, configuration: Configuration, role: str) -> Configuration:
        """The configuration by which containers log in as a role."""
        variables = {n: v for n, v in configuration.variables.items() if n != self.variable}
        if role == self.second or self.named:
            variables[self.variable] = role
        return Configuration(dict(sorted(variables.items())), configuration.secrets)


def login_roles(stack: Stack, variables: Mapping[str, str]) -> LoginRoles | None:
    """Both roles; None where the Compose file leaves no choice of the one to log in as.

    variables: the environment's own. There is a choice where `x-deploy` reads the application's
    role from one variable, which reaches each service that its password reaches.
    """
    database = stack.deploy.database
    variable = _variable(database) if database else ""
    if database is None or not variable:
        return None
    first, password = (
        interpolate(database.application.role, variables),
        database.application.password,
    )
    users = [n for n, used in stack.uses.items() if password in used and n != database.service]
    if any(variable not in stack.uses[name] for name in users) or variable == password:
        return None
    roles = LoginRoles(variable, first, password, named=variable in variables)
    return roles if first and len(roles.second.encode()) <= LONGEST else None


def _variable(database: Database) -> str:
    """The variable that a role is read from, where it is nothing else."""
    reference = _only_reference(database.application.role)
    return reference.name if reference and "+" not in reference.how else ""


def superuser_password(stack: Stack) -> str:
    """Name of the secret that PostgreSQL's image makes the superuser's password of; empty: none.

    The image reads it once, when it makes the database: a later one is PostgreSQL's to change.
    """
    database = stack.deploy.database
    process = stack.processes.get(database.service) if database else None
    reference = (
        _only_reference(process.environment.get("POSTGRES_PASSWORD", "")) if process else None
    )
    return reference.name if reference else ""


def _only_reference(text: str) -> Reference | None:
    """The reference that a text is, where it is one and nothing else."""
    match parse(text):
        case [Reference() as reference]:
            return reference
        case _:
            return None
