"""Kinds of steps, and what each may do: one table, which decisions read instead of comparing names.

A kind is what the journal and the ledger keep of a step. The name is for people: it may be
reworded at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "run", "record", "tidy", "copy-backup", "return", "look-into-data", "start-stopped",
    "keep", "forget", "remove-all", "put-back", "start-adopted", "upload", "restore-files", "arm",
    "pull", "start", "recreate", "replace", "complete", "reload", "remove", "stop", "prepare",
    "start-beside", "start-new", "drain", "free-ports", "hand-over", "let-go", "verify", "watch", "roles", "end-login", "back-up",
    "set-aside", "restore", "bring-back", "migrate", "downgrade", "drill", "maintenance-on",
    "maintenance-off", "status-page",
]  # fmt: skip
"""What a step does; `run` is the whole run, whose line begins and ends a journal."""


@dataclass(frozen=True)
class KindTraits:
    """What a kind of step does. An unknown one, of a newer version's journal, does nothing special."""

    name: str
    """For people; `{}` is its service."""
    repeatable: bool = False
    """A second attempt after a lost answer is safe."""
    works_beside: bool = False
    """Nothing of what runs changes, so a run of such steps alone needs no undo."""
    exchanges_database: bool = False
    """Afterwards the database of before exists under the run's name."""
    copies_database: bool = False
    """Writes the database once more; a dump is smaller, by an unknown amount."""
    backs_up: bool = False
    """The copy is a backup, which a policy may want restored to verify it."""
    changes_database: bool = False
    """The database is another one afterwards, or has another schema."""
    starts_service: bool = False
    """Its service runs in a new container afterwards, and uses the database."""
    starts_all: bool = False
    """Several services run afterwards, those that use the database among them."""
    replaces_service: bool = False
    """What ran before gives way to new containers: the release is on its way."""
    removes_service: bool = False
    """Its service is gone afterwards."""
    reloads_edge: bool = False
    """Its service, the edge, runs by another configuration afterwards."""
    switches_maintenance: bool = False
    """The edge answers for every service afterwards, or no longer does; no container is touched."""


_KINDS: dict[str, KindTraits] = {
    "run": KindTraits("run"),
    "record": KindTraits("record"),
    "tidy": KindTraits("tidy"),
    "copy-backup": KindTraits("copy backup"),
    "status-page": KindTraits("status page"),
    "return": KindTraits("return"),
    "look-into-data": KindTraits("look into data"),
    "start-stopped": KindTraits("start {}"),
    # Release 0, and the first deploy.
    "keep": KindTraits("keep", repeatable=True),
    "forget": KindTraits("forget"),
    "remove-all": KindTraits("remove containers"),
    "put-back": KindTraits("put files back"),
    "start-adopted": KindTraits("start release 0", starts_all=True),
    # Files and images.
    "upload": KindTraits("upload", repeatable=True),
    "restore-files": KindTraits("restore files", repeatable=True),
    "arm": KindTraits("arm way back", repeatable=True),
    "pull": KindTraits("pull", repeatable=True),
    # Services.
    "start": KindTraits("start {}", starts_service=True),
    "recreate": KindTraits("recreate {}", starts_service=True),
    "replace": KindTraits("replace {}", starts_service=True, replaces_service=True),
    "complete": KindTraits("complete {}"),
    "reload": KindTraits("reload {}", reloads_edge=True),
    "remove": KindTraits("remove {}", removes_service=True),
    "stop": KindTraits("stop {}"),
    "prepare": KindTraits("prepare {}", repeatable=True),
    "start-beside": KindTraits("prepare {}"),
    "free-ports": KindTraits("free ports"),
    "hand-over": KindTraits("hand over ports", starts_all=True),
    "start-new": KindTraits("start new containers", starts_all=True, replaces_service=True),
    "drain": KindTraits("drain old containers", repeatable=True),
    "let-go": KindTraits("let go of former {}", repeatable=True),
    "maintenance-on": KindTraits("maintenance on", repeatable=True, switches_maintenance=True),
    "maintenance-off": KindTraits("maintenance off", repeatable=True, switches_maintenance=True),
    "verify": KindTraits("verify", repeatable=True),
    "watch": KindTraits("bake"),
    # The database.
    "roles": KindTraits("prepare roles"),
    "end-login": KindTraits("end former login", repeatable=True),
    "back-up": KindTraits(
        "back up database", works_beside=True, copies_database=True, backs_up=True
    ),
    "set-aside": KindTraits(
        "set database aside", exchanges_database=True, copies_database=True
    ),
    "restore": KindTraits(
        "restore database", exchanges_database=True, copies_database=True, changes_database=True
    ),
    "bring-back": KindTraits("bring database back"),
    "migrate": KindTraits("migrate", changes_database=True),
    "downgrade": KindTraits("downgrade", changes_database=True),
    "drill": KindTraits("drill", works_beside=True, copies_database=True),
}  # fmt: skip


def kind_traits(kind: str) -> KindTraits:
    """What a kind of step does."""
    return _KINDS.get(kind, KindTraits(kind))


@dataclass(frozen=True)
class StepKey:
    """Which step: what it does, and to which service where it is about one."""

    kind: str
    service: str = ""

    @property
    def traits(self) -> KindTraits:
        """What it does."""
        return kind_traits(self.kind)

    @property
    def name(self) -> str:
        """For people."""
        # Replaced and not formatted: a kind may come from a host's journal.
        return self.traits.name.replace("{}", self.service)


_NAMES_V1: dict[str, str] = {
    "record": "record", "tidy": "tidy", "return": "return", "look into data": "look-into-data",
    "keep": "keep", "forget": "forget", "remove containers": "remove-all",
    "put files back": "put-back", "start release 0": "start-adopted", "upload": "upload",
    "restore files": "restore-files", "arm way back": "arm", "pull": "pull", "verify": "verify",
    "bake": "watch", "free ports": "free-ports", "hand over ports": "hand-over",
    "prepare roles": "roles", "back up database": "back-up", "set database aside": "set-aside",
    "restore database": "restore", "bring database back": "bring-back", "migrate": "migrate",
    "downgrade": "downgrade", "drill": "drill", "copy backup": "copy-backup",
}  # fmt: skip
"""Names of steps in journals and ledgers of format 1, which had no kinds. Never reworded."""

_PREFIXES_V1: dict[str, str] = {
    "let go of former": "let-go", "start": "start", "recreate": "recreate", "replace": "replace",
    "complete": "complete", "reload": "reload", "remove": "remove", "stop": "stop",
    "prepare": "prepare",
}  # fmt: skip
"""What came before a service's name there."""


def key_of_v1(name: str) -> StepKey:
    """The step that a line of format 1 names; a name of no known kind is its own kind."""
    if name in _NAMES_V1:
        return StepKey(_NAMES_V1[name])
    words, _, service = name.rpartition(" ")
    return StepKey(_PREFIXES_V1[words], service) if words in _PREFIXES_V1 else StepKey(name)
