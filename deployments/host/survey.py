"""What a host says of a project that was deployed by hand, and how the answer is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from deployments.host.observation import sections


@dataclass(frozen=True)
class SurveyedContainer:
    """One container that was started by hand, beyond what an observation says of it."""

    service: str
    directory: str
    files: tuple[str, ...]
    env_files: tuple[str, ...]
    exit_code: int
    mounts: tuple[tuple[str, str, str], ...]
    """Type, volume's name or path on the host, path inside."""


@dataclass(frozen=True)
class Survey:
    """What a host says of a project that was deployed by hand."""

    containers: tuple[SurveyedContainer, ...]
    superuser: str
    database: str
    major: str
    same_file: bool
    hashes: dict[str, str]
    """What Compose makes of the files now; empty where it cannot read them."""
    projects: tuple[str, ...]
    databases: tuple[str, ...] = ()
    superusers: tuple[str, ...] = ()
    """Both as the server itself lists them; empty where it did not answer."""
    data_directory: str = ""
    """PGDATA of its container; empty: the image's own."""
    made_anew: frozenset[str] | None = None
    """Containers that Compose would make anew from the files as they are; None: it did not say."""

    def of(self, service: str) -> SurveyedContainer | None:
        return next((c for c in self.containers if c.service == service), None)


def read_survey(output: str, compose: str) -> Survey:
    """Read the answer to `shell.adopt.survey`. compose: SHA-256 of the environment's file."""
    answer = sections(output)
    rows = [json.loads(line) for line in answer.get("byhand", "").splitlines()]
    facts = dict(line.split("=", 1) for line in answer.get("data", "").splitlines() if "=" in line)
    hashes = [line.split() for line in answer.get("hashes", "").splitlines()]
    return Survey(
        containers=tuple(_surveyed_container(row) for row in rows),
        superuser=facts.get("POSTGRES_USER") or "postgres",
        database=facts.get("POSTGRES_DB") or facts.get("POSTGRES_USER") or "postgres",
        major=facts.get("major", "").partition(".")[0],
        same_file=answer.get("sums", "").split() == [compose],
        hashes={words[0]: words[1] for words in hashes if len(words) == 2},
        projects=tuple(answer.get("projects", "").split()),
        databases=_listed(facts.get("databases", "")),
        superusers=_listed(facts.get("superusers", "")),
        data_directory=facts.get("PGDATA", ""),
    )


def read_comparison(output: str) -> frozenset[str] | None:
    """Read the answer to `shell.adopt.compare`: the containers that would be made anew."""
    dry_run = sections(output).get("up")
    if dry_run is None:
        return None
    return frozenset(re.findall(r"Container (\S+) +Recreate$", dry_run, re.MULTILINE))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _surveyed_container(row: dict[str, object]) -> SurveyedContainer:
    def listed(name: str) -> tuple[str, ...]:
        return tuple(p for p in str(row[name]).split(",") if p)

    mounts = row["mounts"] or []
    assert isinstance(mounts, list)
    return SurveyedContainer(
        service=str(row["service"]), directory=str(row["directory"]), files=listed("files"),
        env_files=listed("env_files"), exit_code=int(str(row["exit_code"])),
        mounts=tuple((m["Type"], m.get("Name") or m["Source"], m["Destination"]) for m in mounts),
    )  # fmt: skip
