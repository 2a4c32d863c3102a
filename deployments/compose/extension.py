"""The `x-deploy` extension of a Compose file: what Compose itself cannot say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.environment.documents import X_DEPLOY
from deployments.errors import Refused


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_means_default(cls, data: Any) -> Any:
        """`docker compose config` writes an empty list as null."""
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Route(_Strict):
    """A port of the edge and the service behind it."""

    listen: int
    """Port that the edge publishes."""
    port: int
    """Port of the service in its container."""
    health: str = "/"
    """Path by which the edge sees whether a container serves."""
    tls_listen: int | None = None
    """Port of the edge, never published, on which what terminates TLS sends requests: its
    `X-Forwarded-*` are believed."""


class EdgeService(_Strict):
    """The service that owns the published ports."""

    service: str
    """Service of the edge, a HAProxy."""
    config: str
    """Its configuration without routes, relative to the Compose file."""
    routes: dict[str, Route]
    """Service to its port behind the edge."""


class Role(_Strict):
    """A database role and the name of the secret that holds its password."""

    role: str
    """Name of the role in PostgreSQL."""
    password: str
    """Name of the secret that holds its password."""


class Database(_Strict):
    """Where the data lives and how its revision is read."""

    service: str
    """Service of PostgreSQL."""
    superuser: str
    """Its superuser, who prepares the roles."""
    name: str
    """Name of the database."""
    owner: Role
    """Role that owns the tables and migrates."""
    application: Role
    """Role that the application uses; may be the owner, and both the superuser."""
    revision: str
    """SQL query that returns the revision."""


class MigrateService(_Strict):
    """The one-off service that migrates; `at_start` names services that do it themselves.

    In `sql`, `downgrade` and `downgrade_sql`, `{from}` is the database's revision and `{to}`
    the one to go back to.
    """

    service: str
    """Service that migrates, in a container of its own."""
    image_of: str
    """Service whose image it runs."""
    command: tuple[str, ...]
    """Migrates to the newest revision."""
    sql: tuple[str, ...] = ()
    """Prints the SQL of the migration without running it; none means no review."""
    downgrade: tuple[str, ...] = ()
    """Brings the database back to an earlier revision; none means that a rollback needs a backup."""
    downgrade_sql: tuple[str, ...] = ()
    """Prints the SQL of that without running it."""
    timeout: int = 900
    """Seconds that a migration may take."""
    at_start: tuple[str, ...] = ()
    """Services that migrate in their own entrypoint."""


class Outside(_Strict):
    """An HTTP request from the deployer: `urls[url]` of the environment, plus `path`."""

    url: str
    """A name of `[urls]`."""
    path: str = "/"
    """Path below that address."""
    status: int | None = None
    """The only status that passes; without it every one below 400 does, a redirect too."""


class Prepare(_Strict):
    """What a new image does in a container of its own before the old one stops: download, warm up.

    Not done where a ${reference} leaves one of the command's words empty.
    """

    command: tuple[str, ...]
    """What is run in the new image."""
    timeout: int = 900
    """Seconds that it may take."""


class Log(_Strict):
    """What a service must not have written lately: to its output, or to files in its container."""

    must_not: tuple[str, ...]
    """Extended regular expressions, each about one line."""
    files: tuple[str, ...] = ()
    """Paths, from the container's working directory; one that is not there counts as empty."""
    seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How far back is looked."""


class Probe(_Strict):
    """What is checked of one service after a deploy, besides its container's health."""

    ready: tuple[str, ...] = ()
    """Command that exits 0 inside a new container as soon as it does its work; it is waited for."""
    outside: Outside | None = None
    """What is requested from outside."""
    connected: str = ""
    """Address to which the container must hold an established TCP connection."""
    exec: tuple[str, ...] = ()
    """Command that must exit 0 inside the container."""
    log: Log | None = None
    """What its log must not contain."""


class Deploy(_Strict):
    """The `x-deploy` extension."""

    v: Literal[1]
    """Version of the extension's format."""
    order: tuple[str, ...] = ()
    """In which order services are replaced; what is not named comes first. Of those that are replaced
    side by side, stop-first services come before all others."""
    infrastructure: dict[str, str] = {}
    """Service to an image that is not built here; it changes only with `--update-infrastructure`."""
    optional: dict[str, str] = {}
    """Service to the variable that enables it; without a value the service is left out."""
    edge: EdgeService | None = None
    """Who owns the published ports."""
    database: Database | None = None
    """PostgreSQL, its roles and its revision."""
    migrate: MigrateService | None = None
    """Who migrates it, and how."""
    prepare: dict[str, Prepare] = {}
    """Service to what its new image does before its old container stops."""
    after: dict[str, tuple[str, ...]] = {}
    """Service to those that must serve before its new container starts; others start together."""
    probes: dict[str, Probe] = {}
    """Service to what is checked of it after a release."""

    @property
    def routed(self) -> set[str]:
        """Services behind the edge."""
        return set(self.edge.routes) if self.edge else set()

    @property
    def stateful(self) -> set[str]:
        """Services with state or ports of their own, wherever their images are built."""
        own = {part.service for part in (self.edge, self.database) if part}
        return own | set(self.infrastructure)


def no_database(file: str, state: str, environment: str) -> Refused:
    """The refusal of what needs a database that the Compose file describes.

    state: which the server is in. environment: its name.
    """
    return Refused(
        "no database is described: x-deploy has no `database`", where=file, state=state,
        todo=f"describe it, {X_DEPLOY} says how; a database that is not described is reached by "
        f"homeguru exec SERVICE --env {environment} -- psql -U USER DATABASE",
    )  # fmt: skip
