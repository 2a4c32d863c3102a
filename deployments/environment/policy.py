"""An environment's checks, watching, retention and notices: tables of its file, with defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from deployments.fields import (  # fmt: skip
    HostKey,
    InSource,
    Strict,
    Url,
    VariableName,
    VulnerabilityId,
    check_address,
    form,
)


class Services(Strict):
    """Which of the Compose file's services an environment has."""

    leave_out: tuple[str, ...] = ()
    """Services that it does not have: neither built nor deployed, verified or watched."""
    profiles: tuple[str, ...] = ()
    """Profiles of the Compose file whose services it has, as `COMPOSE_PROFILES` names them."""


class OwnDockerfile(Strict):
    """A Dockerfile of the application's own; paths are relative to the root of its source."""

    file: InSource
    """The Dockerfile; where it is all, its path alone may stand instead of the table."""
    context: InSource = "."
    """Folder that the build gets, less what its `.dockerignore` leaves out."""
    target: Annotated[
        str, form(r"^[A-Za-z0-9_.-]*$", "a stage's name is of letters, digits and . _ -")
    ] = ""
    """Stage to build; empty means the last one."""

    @model_validator(mode="before")
    @classmethod
    def _a_path_alone(cls, data: Any) -> Any:
        return {"file": data} if isinstance(data, str) else data


class Verify(Strict):
    """What this environment checks less than the Compose file's `x-deploy`."""

    leave_out: tuple[str, ...] = ()
    """Services that are not verified; they are deployed all the same."""
    skip: dict[str, tuple[Literal["outside", "connected", "exec", "ready", "log"], ...]] = Field(
        default_factory=dict
    )
    """Probes that are left out for a service."""


class Need(Strict):
    """What preflight requires of the host, in MiB."""

    disk_mb: Annotated[int, Field(ge=0)] = 2048
    """Free space on the disk of the directory."""
    memory_mb: Annotated[int, Field(ge=0)] = 256
    """Free memory."""


class Watch(Strict):
    """What the scheduled verification checks, and how often."""

    every: Annotated[int, Field(ge=0, le=86400)] = 300
    """Seconds between two scheduled verifications; 0 means none."""
    heal: bool = False
    """Deploy the current release again when the server drifted from it."""
    backup_hours: Annotated[int, Field(ge=0)] = 0
    """Age, in hours, that the newest backup may have; 0 means any."""
    secret_days: Annotated[int, Field(ge=0)] = 0
    """Days that a secret may have the same value; 0 means any number."""
    disk_mb: Annotated[int, Field(ge=0)] = 1024
    """Free space, in MiB, below which the server is not well."""
    memory_mb: Annotated[int, Field(ge=0)] = 128
    """Free memory, in MiB, below which the server is not well."""
    certificate_days: Annotated[int, Field(ge=0)] = 14
    """Days that a certificate must still be valid."""


class OffHostCopy(Strict):
    """Where a copy of each backup goes, from the deployer; `to` empty means nowhere."""

    to: Annotated[
        str,
        form(
            r"^$|^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?$"
            r"|^sftp://[a-z_][a-z0-9_-]*@[A-Za-z0-9.-]+(:[1-9]\d*)?/\S*$",
            "a place reads s3://bucket/prefix or sftp://user@host:port/folder; "
            "a bucket's name has at least 3 characters",
        ),
        AfterValidator(check_address),
    ] = ""
    """`s3://bucket/prefix` or `sftp://user@host:port/folder`."""
    recipient: str = ""
    """age1...: copies are encrypted for whoever has the identity; empty: they are not."""
    endpoint: Url | Literal[""] = ""
    """Of an S3 that is not Amazon's."""
    region: str = ""
    """Region of the bucket, where it has some."""
    access_key: VariableName | Literal[""] = ""
    """Name of the secret that holds S3's access key."""
    secret_key: VariableName | Literal[""] = ""
    """Name of the secret that holds S3's secret key."""
    key_file: str = ""
    """Private key for SFTP, relative to this file."""
    host_keys: tuple[HostKey, ...] = ()
    """The SFTP server's keys, pinned as the host's are."""


class BackupPolicy(Strict):
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
    """Backups that are kept, the newest ones."""
    keep_days: Annotated[int, Field(ge=1)] = 90
    """Days after which one is removed; the newest always stays."""
    keep_mb: Annotated[int, Field(ge=1)] = 20480
    """MiB that all may take together; the newest always stays."""


class Retention(Strict):
    """What the host keeps of releases that ran before; its ledger it keeps for ever."""

    releases: Annotated[int, Field(ge=2)] = 10
    """Good releases that a rollback can go back to: their records and images."""
    journals: Annotated[int, Field(ge=10)] = 200
    """Journals of runs, the newest ones."""


class Notices(Strict):
    """Who is notified, and in which language."""

    urls: VariableName | Literal[""] = ""
    """Name of the secret that holds apprise's URLs, one or more, apart by white space."""
    language: Literal["en", "ru"] = "en"
    """Language of the notifications."""
    telegram_api: Url | Literal[""] = ""
    """A Bot API server of your own; empty means Telegram's."""


class Signatures(Strict):
    """Proof of where a release comes from: a signature of its manifest, made by cosign with a key."""

    keys: tuple[
        Annotated[
            str,
            form(
                r"^[A-Za-z0-9_.~/@+ -]+$", "a file's path is of letters, digits and . _ ~ / @ + -"
            ),
        ],
        ...,
    ] = ()
    """Files of public keys, relative to the TOML: who signed with any of them may publish."""
    required: bool = False
    """Refuse every published release that none of the keys signed."""
    key: VariableName = "COSIGN_PRIVATE_KEY"
    """Name of the secret that holds the private key, where releases are published."""
    password: VariableName = "COSIGN_PASSWORD"  # noqa: S105 - a secret's name
    """Name of the secret that holds that key's password."""

    @model_validator(mode="after")
    def _a_key_proves_it(self) -> Signatures:
        if self.required and not self.keys:
            raise ValueError(
                "required needs keys: without a public key no signature can be verified"
            )
        return self

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Secrets that only a publisher needs; none where nothing is signed."""
        return (self.key, self.password) if self.keys else ()


class ScanPolicy(Strict):
    """Known vulnerabilities in the images of a release, as trivy finds them."""

    fail_on: Literal["", "low", "medium", "high", "critical"] = ""
    """The least severity that refuses a release; empty: `homeguru scan` only reports."""
    ignore_unfixed: bool = True
    """Refuse none that has no fixed version: nobody could update to it."""
    ignore: dict[
        VulnerabilityId,
        Annotated[str, form(r"\S", "a reason is needed: why the application is not affected")],
    ] = Field(default_factory=dict)
    """Id to the reason why the application is not affected: neither counted nor refused."""
