"""What a repository's Compose file comes to: the changes, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deployments.environment import secret_kinds as secrets

EDGE, EDGE_IMAGE = "edge", "docker.io/library/haproxy:3.0"


@dataclass(frozen=True)
class Edit:
    """One change. path: keys from the top of the file. value: None takes the key away."""

    path: tuple[str, ...]
    value: Any
    why: str


@dataclass(frozen=True)
class OnboardedRoute:
    """A service that people reach: the published port, its own, and where it says that it is well."""

    listen: int
    port: int
    health: str
    address: str = ""
    """Of the server, where it is published to that alone."""


@dataclass
class Adaptation:
    """What a repository's Compose file comes to, and what its environment has to say.

    dockerfiles: service to file, context and target. names: route to the name that it answers to by
    HTTPS, where there is a domain. secrets: name to its kind. database, migrate: these two of `x-deploy`;
    empty for none. notes: what a person should know, a sentence each.
    """

    edits: list[Edit] = field(default_factory=list)
    infrastructure: dict[str, str] = field(default_factory=dict)
    dockerfiles: dict[str, dict[str, str]] = field(default_factory=dict)
    build: dict[str, str] = field(default_factory=dict)
    routes: dict[str, OnboardedRoute] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, secrets.SecretKind] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    database: dict[str, Any] = field(default_factory=dict)
    migrate: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def change(self, service: str, key: str, value: Any, why: str) -> None:
        self.edits.append(Edit(("services", service, key), value, why))

    def note(self, text: str) -> None:
        """Add it once, whichever service it is about."""
        if text not in self.notes:
            self.notes.append(text)
