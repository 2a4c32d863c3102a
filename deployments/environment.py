"""An environment: where a release goes and with which configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from deployments.errors import WrongUse

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Project = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Directory = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]+$")]
Registry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]


def _check_host_key(line: str) -> str:
    if not re.fullmatch(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+", line):
        raise ValueError('a host key reads "ssh-ed25519 AAAA...": type and base64, no host name')
    return line


HostKey = Annotated[str, AfterValidator(_check_host_key)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Host(_Strict):
    """How the server is reached. `host_keys` are pinned: an unknown key means stop."""

    address: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]+$")]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]*$")]
    key_file: str
    host_keys: tuple[HostKey, ...]
    tunnel_registry: bool = False
    """Give the server the deployer's registry through an SSH reverse tunnel."""


class Secrets(_Strict):
    """Names only. Values come from the process environment, then from the 0600 `file`."""

    file: str = ""
    names: tuple[VariableName, ...] = ()


class RegistryLogin(_Strict):
    """Names of the variables that hold a registry's user and token; empty means anonymous."""

    user: VariableName
    token: VariableName


class Verify(_Strict):
    """What this environment asks less of than the Compose file's `x-deploy`."""

    leave_out: tuple[str, ...] = ()
    """Services that are not verified at all."""
    skip: dict[str, tuple[Literal["outside", "connected", "exec"], ...]] = {}
    """Probes that are not asked of a service."""


class Need(_Strict):
    """What preflight asks of the host, in MiB."""

    disk_mb: Annotated[int, Field(ge=0)] = 2048
    memory_mb: Annotated[int, Field(ge=0)] = 256


class Watch(_Strict):
    """What the scheduled verification asks, and how often."""

    every: Annotated[int, Field(ge=0, le=86400)] = 300
    """Seconds between two scheduled verifications; 0 means none."""
    heal: bool = False
    """Deploy the current release again when the server drifted from it."""
    backup_hours: Annotated[int, Field(ge=0)] = 0
    """Age, in hours, that the newest backup may have; 0 asks nothing."""
    disk_mb: Annotated[int, Field(ge=0)] = 1024
    """Free space, in MiB, below which the server is not well."""
    memory_mb: Annotated[int, Field(ge=0)] = 128
    """Free memory, in MiB, below which the server is not well."""
    certificate_days: Annotated[int, Field(ge=0)] = 14
    """Days that a certificate must still be valid."""


class OffHostCopy(_Strict):
    """Where a copy of each backup goes, from the deployer; `to` empty means nowhere."""

    to: Annotated[
        str,
        StringConstraints(
            pattern=r"^$|^s3://[a-z0-9.-]+(/\S*)?$|^sftp://\w+@[A-Za-z0-9.-]+(:\d+)?/\S*$"
        ),
    ] = ""
    """`s3://bucket/prefix` or `sftp://user@host:port/folder`."""
    recipient: str = ""
    """age1...: copies are encrypted for whoever has the identity; empty: they are not."""
    endpoint: Url | Literal[""] = ""
    """Of an S3 that is not Amazon's."""
    region: str = ""
    access_key: VariableName | Literal[""] = ""
    secret_key: VariableName | Literal[""] = ""
    """Names of the secrets that hold S3's two keys."""
    key_file: str = ""
    """Private key for SFTP, relative to this file."""
    host_keys: tuple[HostKey, ...] = ()
    """The SFTP server's keys, pinned as the host's are."""


class BackupPolicy(_Strict):
    """Backups of the database on the host: when one is made, and how long it is kept."""

    before_migration: bool = True
    """Make one before each migration, in the deploy itself."""
    verify: Literal["read", "restore"] = "read"
    """`read` has PostgreSQL read each backup to its end; `restore` restores it as well, and
    tries a migration there before it changes the database."""
    every_hours: Annotated[int, Field(ge=0, le=720)] = 0
    """Hours between two scheduled backups; 0 means none."""
    drill_hours: Annotated[int, Field(ge=0, le=2160)] = 0
    """Hours between two scheduled drills, each of which restores the newest backup; 0: none."""
    keep: Annotated[int, Field(ge=1)] = 10
    keep_days: Annotated[int, Field(ge=1)] = 90
    keep_mb: Annotated[int, Field(ge=1)] = 20480
    """Kept until there are more, older or bigger ones than this; the newest always stays."""


class Retention(_Strict):
    """What the host keeps of releases that ran before; its ledger it keeps for ever."""

    releases: Annotated[int, Field(ge=2)] = 10
    """Good releases that a rollback can go back to: their records and images."""
    journals: Annotated[int, Field(ge=10)] = 200
    """Journals of runs, the newest ones."""


class Notices(_Strict):
    """Who is told, and in which language."""

    urls: VariableName | Literal[""] = ""
    """Name of the secret that holds apprise's URLs, one or more, apart by white space."""
    language: Literal["en", "ru"] = "en"
    telegram_api: Url | Literal[""] = ""
    """A Bot API server of your own; empty means Telegram's."""


class Environment(_Strict):
    """One target of deployments, read from `<name>.toml`."""

    v: Literal[1]
    name: Name
    description: str = ""
    project: Project
    directory: Directory
    compose: str = ""
    """Compose file, relative to the TOML; empty means the packaged production file."""
    push_registry: Registry
    pull_registry: Registry
    repository: Annotated[str, StringConstraints(pattern=r"^[a-z0-9/._-]*\{service\}[a-z0-9._-]*$")]
    login: RegistryLogin | None = None
    source_token: VariableName | Literal[""] = ""
    """Name of the secret that reads the application's Git URL; empty for a public one."""
    lock_wait: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds that a second run waits for the first; 0 refuses at once."""
    host: Host
    build: dict[VariableName, str] = {}
    variables: dict[VariableName, str] = {}
    secrets: Secrets = Secrets()
    images: dict[str, str] = {}
    """Images that are not built here, by service, as the host pulls them."""
    urls: dict[str, Url] = {}
    verify: Verify = Verify()
    need: Need = Need()
    healthy_within: Annotated[int, Field(ge=1, le=3600)] = 180
    """Seconds that a new container has to become healthy."""
    bake_minutes: Annotated[int, Field(ge=0, le=240)] = 0
    """Minutes under watch after a release serves: what fails meanwhile undoes it."""
    confirm_timeout: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds of a deployer's silence after which the server goes back by itself; 0: never."""
    approval: bool = False
    """Whether a person must approve each plan before it runs."""
    approval_minutes: Annotated[int, Field(ge=1, le=10080)] = 60
    """Minutes that an approval may take; no answer means refused."""
    watch: Watch = Watch()
    backup: BackupPolicy = BackupPolicy()
    off_host: OffHostCopy = OffHostCopy()
    retention: Retention = Retention()
    notices: Notices = Notices()

    @field_validator("variables", "build", mode="before")
    @classmethod
    def _scalars_become_text(cls, value: Any) -> Any:
        """`PORT = 8003` in TOML means the text a container would see."""
        if not isinstance(value, dict):
            return value
        return {k: str(v) if type(v) is int else v for k, v in value.items()}

    @property
    def secret_names(self) -> list[str]:
        """Every secret that this environment names: the containers' and the deployer's own."""
        off_host = self.off_host
        names = [
            *self.secrets.names, self.notices.urls, self.source_token, off_host.access_key,
            off_host.secret_key,
        ]  # fmt: skip
        return list(dict.fromkeys(n for n in names if n))

    def repository_of(self, service: str) -> str:
        """Repository, without its host, of an image that is built here."""
        return self.repository.format(service=service)

    @property
    def manifests(self) -> str:
        """Repository of the manifests, one OCI artifact each."""
        return self.repository_of("release")

    @property
    def ssh(self) -> str:
        """Shown to people: `user@address:port`."""
        return f"{self.host.user}@{self.host.address}:{self.host.port}"


def parse_environment(name: str, data: dict[str, Any], path: str) -> Environment:
    """Check the content of one TOML file.

    Raises WrongUse with every mistake named by its key.
    """
    try:
        return Environment.model_validate({**data, "name": name})
    except ValidationError as error:
        mistakes = [_mistake(e["loc"], e["type"], e["msg"]) for e in error.errors()]
        raise WrongUse(
            "; ".join(mistakes),
            where=path,
            state="untouched",
            todo="correct the file; deployments/environments/production.toml shows every key",
        ) from None


def _mistake(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        return f"unknown key `{key}`"
    if kind == "missing":
        return f"missing key `{key}`"
    said = message.removeprefix("Value error, ")
    return f"`{key}`: {said[0].lower()}{said[1:]}"
