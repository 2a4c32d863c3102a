"""A database of a release, as its own container's tools reach it."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.shell.quote import call, functions, join


@dataclass(frozen=True)
class On:
    """Which database: its service, the superuser and the name."""

    service: str
    superuser: str
    name: str

    def functions(self) -> list[str]:
        """Shell text that reaches this database: the functions above and what they read."""
        named = {"service": self.service, "superuser": self.superuser, "name": self.name}
        return [
            functions("postgres"),
            *(call("declare", f"{key}={value}") for key, value in named.items()),
        ]


def read_contents(on: On) -> str:
    """Shell text that prints the database's tables as one line of JSON."""
    return join(*on.functions(), 'database_contents "$name"')


def read_version(on: On) -> str:
    """Shell text that prints the server's version."""
    return join(*on.functions(), "sql_in postgres <<< 'SHOW server_version'")
