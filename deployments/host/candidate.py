"""What Compose says of the files to come, and of the release that a host recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.compose.stack import Stack
from deployments.host.observation import sections


@dataclass(frozen=True)
class Candidate:
    """What Compose says of the files to come, and what is compared with them."""

    hashes: dict[str, str]
    secrets_now: dict[str, str] = field(default_factory=dict)
    secrets_then: dict[str, str] = field(default_factory=dict)
    before: Stack | None = None
    """The Compose file that the host has now; None where there is none, or it is not one of ours."""
    released: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the secrets that the current release recorded."""
    released_env: str = ""
    """The variables that it recorded."""
    as_made: dict[str, str] = field(default_factory=dict)
    """Service to the hash with the value of now of what only the making of its container's data reads."""

    def same(self, service: str, config_hash: str) -> bool:
        """Whether a container of that hash is as it should be."""
        return config_hash in (self.hashes.get(service), self.as_made.get(service))


@dataclass(frozen=True)
class ReleaseRecord:
    """What a host keeps of its current release; texts are empty where it keeps none.

    candidate: Compose's hashes under these files with the host's own secrets; its
    `secrets_then` are the fingerprints that the release recorded.
    """

    compose_file: str
    env: str
    edge: str
    candidate: Candidate
    backup_seconds: int | None
    """Age of the newest backup; None when there is none, or it was not read."""


def read_candidate(output: str) -> Candidate:
    """Read the answer to `shell.observe.read_candidate_script`."""
    answer = sections(output)
    names = ("hashes", "secrets_now", "secrets_then", "released", "as_made")
    hashes, now, then, released, as_made = (_pairs(answer.get(name, "")) for name in names)
    return Candidate(
        hashes, now, then, released=released, released_env=answer.get("released_env", ""),
        as_made=as_made,
    )  # fmt: skip


def read_release_record(output: str) -> ReleaseRecord:
    """Read what `shell.observe.look` says beyond an observation."""
    answer = sections(output)
    age = answer.get("backup", "").strip()
    return ReleaseRecord(
        compose_file=answer.get("release_compose", ""),
        env=answer.get("release_env", ""),
        edge=answer.get("release_edge", ""),
        candidate=read_candidate(output),
        backup_seconds=int(age) if age.lstrip("-").isdigit() else None,
    )


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split(None, 1) for line in text.splitlines() if " " in line)
