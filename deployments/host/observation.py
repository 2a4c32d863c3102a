"""What was seen on a host, and how the host's answer is read."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from deployments.database.backups import Backup, read_backups
from deployments.history import journal
from deployments.history.ledger import Ledger
from deployments.history.revisions import parse_revisions
from deployments.host.containers import Container, read_containers
from deployments.host.edge import read_former, read_slots
from deployments.host.maintenance import Maintenance, read_maintenance


@dataclass(frozen=True)
class Project:
    """A Compose project that has containers, and a directory that some were started from.

    here: whether that is this environment's. environment: the name that is recorded there.
    """

    name: str
    directory: str
    here: bool = False
    environment: str = ""


@dataclass(frozen=True)
class Observation:
    """One look at a host. Sizes in MiB."""

    writable: bool
    locked: bool  # by some run, now
    disk_mb: int
    memory_mb: int
    engine: str
    compose: str
    listening: frozenset[int]
    published: dict[int, str]
    """Published port to the container that has it, any project's."""
    containers: tuple[Container, ...]
    revision: str | None
    """The database's; several heads are joined by commas."""
    env: str
    compose_file: str
    edge: str
    current: str | None
    manifest: str
    """The current release's manifest, as text."""
    ledger: Ledger
    owner: str
    unfinished: tuple[journal.Unfinished, ...]
    database_bytes: int = 0
    """Size of the database; 0 where PostgreSQL does not answer."""
    database_major: str = ""
    """PostgreSQL's, such as `16`; empty where it does not run."""
    backups: tuple[Backup, ...] = ()
    """Oldest first."""
    aside: tuple[str, ...] = ()
    """Databases that runs left next to it, by the end of the name: `aside_<the run's last twelve>`,
    `restoring`, `drill`."""
    undone: tuple[str, ...] = ()
    """Databases that an undo took out, with the rows that were written meanwhile."""
    logins: frozenset[str] = frozenset()
    """The database's roles that may log in with a password."""
    releases: tuple[str, ...] = ()
    """Releases that the host keeps a record of, by their number."""
    environment: str = ""
    """Name of the environment whose directory this is; empty before its first release."""
    holders: dict[str, str] = field(default_factory=dict)
    """Container that publishes a port to its Compose project; of no project: not there."""
    project: str = ""
    """The Compose project that this directory's releases were deployed as; empty: not recorded."""
    projects: tuple[Project, ...] = ()
    """All Compose projects of the host."""
    epoch: int = 0
    """The host's clock, seconds since 1970; 0 when it was not read."""
    journals: int = 0
    """How many journals of runs there are."""
    tables: int = 0
    """Of the database; an extension's do not count."""
    places: tuple[str, ...] = ()
    """Volumes and paths in which the database's data may be, where it has no container."""
    maintenance: Maintenance | None = None
    """Since when the edge answers for every service, while it is to do so."""
    edge_unread: str = ""
    """Container of the edge that a run left without telling it of its new file; empty: none."""
    secrets_since: dict[str, str] = field(default_factory=dict)
    """Secret to the time from which on the host has had its value, UTC."""

    @property
    def edge_is_behind(self) -> bool:
        """Whether the edge runs by another configuration than its file has."""
        return not {c.id for c in self.containers}.isdisjoint(self.edge_unread.split())

    @property
    def long_running(self) -> list[Container]:
        """What serves, or should: no one-off, and not what the edge keeps of a release before."""
        serving = {name for slots in read_slots(self.edge).values() for name in slots}
        former = set(read_former(self.edge).values()) - serving
        return [c for c in self.containers if not c.one_off and c.name not in former]

    def age(self, container: Container) -> float | None:
        """Seconds since a container was started; None when that is not known."""
        try:
            started = datetime.fromisoformat(container.started[:19]).replace(tzinfo=UTC)
        except ValueError:
            return None
        return self.epoch - started.timestamp() if self.epoch else None

    @property
    def unread(self) -> str:
        """Where data may be that was not read; empty where there is none."""
        return "" if self.database_bytes else ", ".join(self.places)

    @property
    def holds_data(self) -> bool:
        """Whether the database, as far as it was read, holds data that could be lost."""
        return bool(self.tables or self.revision)

    def of(self, service: str) -> list[Container]:
        """Long-running containers of one service."""
        return [c for c in self.long_running if c.service == service]


def sections(output: str) -> dict[str, str]:
    """Unpack `name base64` lines; anything else on stdout is ignored."""
    texts: dict[str, str] = {}
    for line in output.splitlines():
        name, _, body = line.partition(" ")
        named = re.fullmatch(r"[a-z_./]+[A-Za-z0-9_./:-]*", name)
        if named and re.fullmatch(r"[A-Za-z0-9+/=]*", body):
            with contextlib.suppress(binascii.Error):
                texts[name] = base64.b64decode(body).decode(errors="replace")
    return texts


def read_observation(output: str) -> Observation:
    """Read the answer to `shell.observe.observe`."""
    answer = sections(output)
    data = _database(answer.get("database", ""))
    facts = dict(line.split("=", 1) for line in answer.get("facts", "").splitlines() if "=" in line)
    return Observation(
        writable=facts.get("writable") == "yes",
        locked=facts.get("locked") == "yes",
        disk_mb=int(facts.get("disk_kb") or 0) // 1024,
        memory_mb=int(facts.get("memory_kb") or 0) // 1024,
        engine=facts.get("engine", ""),
        compose=facts.get("compose", "").removeprefix("v"),
        listening=frozenset(int(p, 16) for p in answer.get("listening", "").split()),
        published=_published(answer.get("published", "")),
        holders=_holders(answer.get("published", "")),
        containers=read_containers(
            answer.get("containers", ""), answer.get("images", ""), answer.get("made", "")
        ),
        revision=data.revision,
        tables=data.tables,
        places=data.places,
        env=answer.get("env", ""),
        compose_file=answer.get("compose", ""),
        edge=answer.get("edge", ""),
        edge_unread=answer.get("edge_unread", "").strip(),
        secrets_since=_since(answer.get("secrets_since", "")),
        current=answer.get("current", "").strip() or None,
        manifest=answer.get("manifest", ""),
        ledger=Ledger(tuple(filter(None, answer.get("ledger", "").split("\n")))),
        owner=answer.get("owner", "").strip(),
        unfinished=_unfinished(answer),
        database_bytes=data.bytes,
        database_major=data.major,
        aside=data.aside,
        undone=data.undone,
        logins=data.logins,
        backups=read_backups(answer.get("backups", "")),
        releases=_releases(answer.get("releases", "")),
        journals=int(facts.get("journals") or 0),
        environment=answer.get("environment", "").strip(),
        project=answer.get("project", "").strip(),
        projects=_projects(answer.get("projects", "")),
        epoch=int(facts.get("epoch") or 0),
        maintenance=read_maintenance(answer.get("maintenance")),
    )


@dataclass(frozen=True)
class _Database:
    bytes: int = 0
    aside: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    revision: str | None = None
    tables: int = 0
    places: tuple[str, ...] = ()
    major: str = ""
    logins: frozenset[str] = frozenset()


def with_database(seen: Observation, text: str) -> Observation:
    """The same, with what its database answered when it was started to be queried."""
    data = _database(text)
    return replace(
        seen, database_bytes=data.bytes, aside=data.aside, undone=data.undone,
        revision=data.revision, tables=data.tables, database_major=data.major, logins=data.logins,
    )  # fmt: skip


def _database(text: str) -> _Database:
    """The first line is PostgreSQL's own; only what follows does the application write."""
    first, _, rows = text.partition("\n")
    if not first.startswith("{"):
        return _Database(places=tuple(text.splitlines()))
    own = json.loads(first)
    names = (name for name in own["aside"] if re.fullmatch(r"\w+", name, re.A))
    undone = (name for name in own["undone"] if name.isprintable())
    return _Database(
        int(own["bytes"]), tuple(names), tuple(undone), parse_revisions(rows.split("\n")),
        int(own["tables"]), major=_major(own.get("version")),
        logins=frozenset(name for name in own.get("logins", ()) if name.isprintable()),
    )  # fmt: skip


def _major(version: object) -> str:
    """Of `server_version_num`, such as 160004."""
    number = str(version or "")
    return str(int(number) // 10_000) if number.isascii() and number.isdigit() else ""


def _releases(text: str) -> tuple[str, ...]:
    names = [name for name in text.split() if re.match(r"\d+-", name)]
    return tuple(sorted(names, key=lambda name: int(name.partition("-")[0])))


def _projects(text: str) -> tuple[Project, ...]:
    """Read lines of four fields: project, directory, whether that is this one, environment."""
    rows = [line.split("\t") for line in text.splitlines()]
    return tuple(
        Project(name, directory, here=here == "here", environment=environment)
        for name, directory, here, environment in (row for row in rows if len(row) == 4)
    )


def _since(text: str) -> dict[str, str]:
    """Read lines of a name, a fingerprint and a time."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: row[2] for row in rows if len(row) == 3}


def _published(text: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in text.splitlines():
        name, _, ports = line.partition(" ")
        # Neighbours that are the same inside are written as a range.
        for first, last in re.findall(r":(\d+)(?:-(\d+))?->", ports):
            names.update(dict.fromkeys(range(int(first), int(last or first) + 1), name))
    return names


def _holders(text: str) -> dict[str, str]:
    rows = [line.rpartition("|") for line in text.splitlines() if "|" in line]
    return {line.partition(" ")[0]: project for line, _, project in rows if project}


def _unfinished(answer: dict[str, str]) -> tuple[journal.Unfinished, ...]:
    read = [
        journal.read(name.removeprefix("journal:"), text)
        for name, text in answer.items()
        if name.startswith("journal:")
    ]
    return tuple(sorted((u for u in read if u), key=lambda u: u.at))
