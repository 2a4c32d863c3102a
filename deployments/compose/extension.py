"""The `x-deploy` extension of a Compose file: what Compose itself cannot say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

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
    port: int
    health: str = "/"


class EdgeService(_Strict):
    """The service that owns the published ports."""

    service: str
    config: str
    routes: dict[str, Route]


class Role(_Strict):
    """A database role and the name of the secret that holds its password."""

    role: str
    password: str


class Database(_Strict):
    """Where the data lives and how its revision is read."""

    service: str
    superuser: str
    name: str
    owner: Role
    application: Role
    revision: str


class MigrateService(_Strict):
    """The one-off service that migrates; `at_start` names services that do it themselves.

    In `sql`, `downgrade` and `downgrade_sql`, `{from}` is the database's revision and `{to}`
    the one to go back to.
    """

    service: str
    image_of: str
    command: tuple[str, ...]
    sql: tuple[str, ...] = ()
    """Prints the SQL of the migration without running it; none means no review."""
    downgrade: tuple[str, ...] = ()
    downgrade_sql: tuple[str, ...] = ()
    timeout: int = 900
    at_start: tuple[str, ...] = ()


class Outside(_Strict):
    """An HTTP request from the deployer: `urls[url]` of the environment, plus `path`."""

    url: str
    path: str = "/"
    status: int | None = None
    """The only status that passes; without it every one below 400 does, a redirect too."""


class Prepare(_Strict):
    """What a new image does in a container of its own before the old one stops: download, warm up.

    Not done where a ${reference} leaves one of the command's words empty.
    """

    command: tuple[str, ...]
    timeout: int = 900


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
    connected: str = ""
    """Address to which the container must hold an established TCP connection."""
    exec: tuple[str, ...] = ()
    """Command that must exit 0 inside the container."""
    log: Log | None = None


class Deploy(_Strict):
    """The `x-deploy` extension."""

    v: Literal[1]
    order: tuple[str, ...] = ()
    infrastructure: dict[str, str] = {}
    optional: dict[str, str] = {}
    """Service to the variable that enables it; without a value the service is left out."""
    edge: EdgeService | None = None
    database: Database | None = None
    migrate: MigrateService | None = None
    prepare: dict[str, Prepare] = {}
    """Service to what its new image does before its old container stops."""
    after: dict[str, tuple[str, ...]] = {}
    """Service to those that must serve before its new container starts; others start together."""
    probes: dict[str, Probe] = {}
