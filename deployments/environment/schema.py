"""An environment: where a release goes and with which configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from deployments.environment.documents import EXAMPLE
from deployments.environment.freeze import Freeze
from deployments.environment.mistakes import mistakes
from deployments.environment.policy import (
    BackupPolicy,
    Need,
    Notices,
    OffHostCopy,
    OwnDockerfile,
    Retention,
    ScanPolicy,
    Services,
    Signatures,
    Verify,
    Watch,
)
from deployments.environment.server import EdgeSettings, HostAddress, RegistryLogin, Secrets
from deployments.environment.sources import Source, over_ssh
from deployments.errors import WrongUse
from deployments.fields import (  # fmt: skip
    Directory,
    HostKey,
    Image,
    KeptFolder,
    Name,
    Privilege,
    Project,
    Registry,
    RepositoryTemplate,
    Strict,
    Url,
    VariableName,
)
from deployments.verbs import traits

HOST_REGISTRY = "localhost:5000"
"""Where a registry on the server answers there, unless `pull_registry` says otherwise."""

DEFAULT = "default"
"""In `healthy_within`, stands for the services that it does not name."""

HEALTHY_WITHIN = 180
"""Seconds, where nobody says others."""

SCHEDULED_WAIT = 3600
"""Seconds that a scheduled backup or drill waits for a run that works on the environment."""


class Environment(Strict):
    """One target of deployments, read from `<name>.toml`."""

    v: Literal[1]
    """Version of the file's format."""
    name: Name
    description: str = ""
    """Shown to people."""
    project: Project
    """Compose project on the server, of this environment alone: first part of a container's name."""
    directory: Directory
    """Directory on the server that its user owns; everything of a deploy lies there."""
    compose: str = ""
    """Compose file, relative to the TOML; empty means the packaged production file."""
    push_registry: Registry
    """As this machine reaches it; `host` keeps one on the server itself, reached through SSH."""
    pull_registry: Registry
    """As the server reaches it; without the key the same, or the server's own."""
    registry_image: Image = "docker.io/library/registry:2"
    """Image of the registry that `host` keeps."""
    repository: RepositoryTemplate
    """Repository of each image, with `{service}` in it."""
    login: RegistryLogin | None = None
    sources: tuple[Source, ...] = ()
    """Git URLs, and folders of a worker, that may be published; empty: only a terminal may."""
    source_token: VariableName | Literal[""] = ""
    """Name of the secret that reads the `https://` ones; empty for public ones."""
    source_key_file: str = ""
    """Private key for those over SSH, relative to the TOML."""
    source_host_keys: tuple[HostKey, ...] = ()
    """Keys of the Git servers that are reached by SSH."""
    lock_wait: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds that a second run waits for the first; 0 refuses at once."""
    host: HostAddress
    edge: EdgeSettings = EdgeSettings()
    build: dict[VariableName, str] = Field(default_factory=dict)
    """Build arguments: part of the images, and of the release that was built with them."""
    variables: dict[VariableName, str] = Field(default_factory=dict)
    """Plain variables of the Compose file."""
    secrets: Secrets = Secrets()
    unused: tuple[VariableName, ...] = ()
    """Variables and secrets that the Compose file may use nowhere, such as a former release's, and
    names of `build` that no Dockerfile declares."""
    images: dict[str, Image] = Field(default_factory=dict)
    """Images that are not built here, by service, as the host pulls them."""
    dockerfiles: dict[str, OwnDockerfile] = Field(default_factory=dict)
    """The application's own Dockerfiles, by service; other services are built by ours."""
    urls: dict[str, Url] = Field(default_factory=dict)
    """Where the application answers, as this machine reaches it; verification asks there."""
    services: Services = Services()
    verify: Verify = Verify()
    need: Need = Need()
    healthy_within: dict[str, Annotated[int, Field(ge=1, le=3600)]] = Field(
        default_factory=lambda: {DEFAULT: HEALTHY_WITHIN}
    )
    """Seconds that a new container has until it does its work, by service; `default` is any other,
    180 if not said."""
    bake_minutes: Annotated[int, Field(ge=0, le=240)] = 0
    """Minutes under watch after a release serves: what fails meanwhile undoes it."""
    keep: dict[str, tuple[KeptFolder, ...]] = Field(default_factory=dict)
    """Service to the folders inside its container that outlast a release, a volume each."""
    privileges: dict[str, tuple[Privilege, ...]] = Field(default_factory=dict)
    """Service to what its container may have of the whole server, such as the Docker socket: else refused."""
    keep_previous: bool = False
    """Whether the release before stays up through that window, and takes over when this one dies."""
    confirm_timeout: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds of a deployer's silence after which the server goes back by itself; 0: never."""
    approval: bool | Literal["another"] = False
    """Whether a person must approve each plan before it runs; `another`: not the one who asked for it,
    by the accounts of a control plane's gateway."""
    approval_minutes: Annotated[int, Field(ge=1, le=10080)] = 60
    """Minutes that an approval may take; no answer means refused."""
    freeze: tuple[Freeze, ...] = ()
    """Times in which deploys and migrations need approval: `Fri 16:00 - Mon 08:00 Europe/Moscow`."""
    watch: Watch = Watch()
    backup: BackupPolicy = BackupPolicy()
    off_host: OffHostCopy = OffHostCopy()
    retention: Retention = Retention()
    signatures: Signatures = Signatures()
    scan: ScanPolicy = ScanPolicy()
    notices: Notices = Notices()

    @field_validator("healthy_within", mode="before", json_schema_input_type=int | dict[str, int])
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        """`healthy_within = 180` is the same for each service."""
        if isinstance(value, dict):
            return {DEFAULT: HEALTHY_WITHIN, **value}
        return {DEFAULT: value}

    @field_validator(
        "variables", "build", mode="before", json_schema_input_type=dict[VariableName, str | int]
    )
    @classmethod
    def _scalars_become_text(cls, value: Any) -> Any:
        """`PORT = 8003` in TOML means the text a container would see."""
        if not isinstance(value, dict):
            return value
        return {k: str(v) if type(v) is int else v for k, v in value.items()}

    @model_validator(mode="before")
    @classmethod
    def _pulls_where_it_was_pushed(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "pull_registry" in data or "push_registry" not in data:
            return data
        pushed = data["push_registry"]
        return {**data, "pull_registry": HOST_REGISTRY if pushed == "host" else pushed}

    @model_validator(mode="after")
    def _host_registry_is_the_servers_own(self) -> Self:
        if self.push_registry != "host":
            return self
        if not re.fullmatch(r"localhost:\d+", self.pull_registry):
            raise ValueError(
                'push_registry = "host" needs a pull_registry such as "localhost:5000"'
            )
        if self.login or self.host.tunnel_registry:
            raise ValueError('push_registry = "host" needs neither login nor tunnel_registry')
        return self

    @model_validator(mode="after")
    def _edge_is_read_from_variables(self) -> Self:
        """`[edge]` reaches the Compose file, and is compared, as every other variable."""
        variables = self.variables
        if twice := sorted(n for n, v in self.edge.variables.items() if variables.get(n, v) != v):
            raise ValueError(f"[edge] says {', '.join(twice)}: not in [variables] again")
        self.variables.update(self.edge.variables)
        return self

    @model_validator(mode="after")
    def _keep_previous_needs_a_window(self) -> Self:
        if self.keep_previous and not self.bake_minutes:
            raise ValueError(
                "keep_previous needs bake_minutes: there is no window to keep it through"
            )
        return self

    @model_validator(mode="after")
    def _sources_can_be_fetched(self) -> Self:
        if self.source_token and not any(s.startswith("https://") for s in self.sources):
            raise ValueError(
                "source_token needs an https:// address in sources: it is sent there and nowhere else"
            )
        ssh = [s for s in self.sources if over_ssh(s)]
        if ssh and not (self.source_key_file and self.source_host_keys):
            raise ValueError(f"{ssh[0]} needs source_key_file and source_host_keys")
        return self

    def healthy_within_of(self, service: str) -> int:
        """Seconds that a new container of a service has until it does its work."""
        return self.healthy_within.get(service, self.healthy_within[DEFAULT])

    @property
    def host_registry_port(self) -> int | None:
        """Port of the registry on the server itself; None where it is another one."""
        return int(self.pull_registry.partition(":")[2]) if self.push_registry == "host" else None

    @property
    def longest_start(self) -> int:
        """Seconds until every service does its work, where all are started at once."""
        return max(self.healthy_within.values())

    @property
    def secret_names(self) -> list[str]:
        """Every secret that this environment names: the containers' and the deployer's own."""
        off_host = self.off_host
        names = [
            *self.secrets.names, self.notices.urls, self.source_token, off_host.access_key,
            off_host.secret_key, *self.signatures.secret_names,
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


def patience(environment: Environment, verb: str, origin: str) -> int:
    """Seconds that a run waits for another one: nobody repeats a scheduled run by hand.

    A scheduled look does not wait longer: the next one follows soon.
    """
    longer = SCHEDULED_WAIT if origin == "schedule" and traits(verb).works_beside else 0
    return max(environment.lock_wait, longer)


def limit_name(environment: str) -> str:
    """Prefect's name for an environment's place in the queue: one run at a time."""
    return f"env-{environment}"


def parse_environment(name: str, data: dict[str, Any], path: str, text: str = "") -> Environment:
    """Check the content of one TOML file. text: the file's own, where its lines can be named.

    Raises WrongUse with every mistake named by its key.
    """
    try:
        return Environment.model_validate({**data, "name": name})
    except ValidationError as error:
        found = mistakes(error, Environment, text)
        only = found[0][1] if len(found) == 1 else None
        raise WrongUse(
            "; ".join(
                sentence if only or not line else f"line {line}: {sentence}"
                for sentence, line in found
            ),
            where=f"{path}:{only}" if only else path,
            state="untouched",
            todo=f"correct the file; {EXAMPLE} shows every key",
        ) from None
