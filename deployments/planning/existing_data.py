"""The data that a project deployed by hand has: can a Compose file of ours go on with it?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from deployments.compose.references import references
from deployments.compose.stack import Stack, in_project
from deployments.environment.schema import Environment
from deployments.host.survey import Survey

OLDEST = 13
"""PostgreSQL's major version: DROP DATABASE ... WITH (FORCE) is of it."""


@dataclass(frozen=True)
class ExistingData:
    """Checks the database of one survey for one environment."""

    environment: Environment
    stack: Stack
    survey: Survey

    def problems(self, running: Collection[str]) -> list[tuple[str, str]]:
        """What forbids to take its data over, and what to do about it; empty when nothing does.

        running: the services that run.
        """
        database = self.stack.deploy.database
        if database is None or not running:
            return []
        service = self.survey.of(database.service)
        if service is None:
            names = ", ".join(sorted(running))
            return [(
                f"the Compose file's database is service {database.service}, and here run {names}",
                "give the service in a Compose file of your own (`compose` of the environment) "
                "the name that it has here",
            )]  # fmt: skip
        if self.survey.major.isdigit() and int(self.survey.major) < OLDEST:
            return [(
                f"PostgreSQL {self.survey.major} runs, and {OLDEST} is the oldest whose backups can be "
                "restored from here",
                f"bring the data to PostgreSQL {OLDEST} or newer first",
            )]  # fmt: skip
        _, target = self._volume(database.service)
        kinds = [kind for kind, _, inside in service.mounts if inside == target]
        if kinds != ["volume"]:
            problem = f"the data of {database.service} is not in a volume at {target}"
            return [
                (
                    problem,
                    "a Compose file of your own (`compose`) must mount it as it is mounted here",
                )
            ]
        directory = self.survey.data_directory
        if directory not in ("", target) and directory not in self.stack.text:
            return [(
                f"the data of {database.service} is in {directory} (its PGDATA)",
                "a Compose file of your own (`compose`) must give it the same PGDATA",
            )]  # fmt: skip
        return []

    def needs(self) -> list[tuple[str, str, str]]:
        """Variable, the value that it must have here, and why; empty when all fit."""
        database = self.stack.deploy.database
        if database is None:
            return []
        service = self.survey.of(database.service)
        assert service is not None, "checked before"
        pattern, target = self._volume(database.service)
        volume = next(name for _, name, inside in service.mounts if inside == target)
        superuser = self._one_of(database.superuser, self.survey.superusers, self.survey.superuser)
        name = self._one_of(database.name, self.survey.databases, self.survey.database)
        wanted = [
            (pattern, volume, "volume"),
            (database.superuser, superuser, "superuser"),
            (database.name, name, "database"),
        ]
        needs = [
            (_variable(text), value, f"{what} {self._value(text)}, not {value}")
            for text, value, what in wanted
            if self._value(text) != value
        ]
        roles = {"application": database.application.role, "owner": database.owner.role}
        needs += [
            (
                _variable(text),
                f"{superuser}_{what}",
                f"role {self._value(text)} is a superuser",
            )
            for what, text in roles.items()
            if self._value(text) in (superuser, *self.survey.superusers)
        ]
        return needs

    def _one_of(self, text: str, existing: tuple[str, ...], otherwise: str) -> str:
        """What the environment names, where the server has it; else what its container was made with."""
        own = [name for name in existing if name != "postgres"]
        if self._value(text) in existing:
            return self._value(text)
        return own[0] if len(own) == 1 else otherwise

    def _volume(self, service: str) -> tuple[str, str]:
        """The pattern of the volume's name, and where the service mounts it."""
        named = self.stack.volumes.get(service, ())
        return named[0] if named else ("", "/var/lib/postgresql/data")

    def _value(self, text: str) -> str:
        return in_project(text, self.environment.project, self.environment.variables)


def _variable(text: str) -> str:
    """The variable that a value of the Compose file is filled from."""
    return next(iter(references(text)), "?")
