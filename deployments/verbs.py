"""The verbs, and what each may do: one table, which decisions read instead of comparing words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verb = Literal[
    "deploy", "migrate", "rollback", "verify", "undo", "heal", "backup", "restore", "adopt", "drill",
    "maintenance", "rotate",
]  # fmt: skip
"""What a plan can be for."""

Secrets = Literal["keep", "former", "present"]
"""Which secrets a release gets: those that the run brings, those of before, or those of the host."""


@dataclass(frozen=True)
class Traits:
    """What a verb does. An unknown one, of a newer version's ledger, does the usual."""

    changes_what_runs: bool = False
    """Its plan needs the requester's files, and its run must be in both ledger and history."""
    replaces_release: bool = False
    """Moves the services to another release, or to the same one anew, and expects them well."""
    names_release: bool = True
    """Its release is the current one afterwards."""
    needs_approval_when_frozen: bool = False
    """What is new for users; the way back, and what repairs, never wait for a freeze window."""
    may_migrate: bool = False
    """A migration that is due is a part of it."""
    migrates_alone: bool = False
    """A migration is all of it."""
    backs_up_alone: bool = False
    """A backup is all of it: one that is not copied off the host failed."""
    drills: bool = False
    """A restored copy next to the database is all of it."""
    restores: bool = False
    """A backup takes the database's place: what it lacks is migrated after it."""
    works_beside: bool = False
    """Nothing of what runs changes: no ledger line, and a scheduled one is not repeated by hand."""
    returns: bool = False
    """The way back that a person requests: too little room does not hold it up."""
    rotates: bool = False
    """Only secrets are other ones afterwards: there is no release to go back to."""
    undoes: bool = False
    """The way back that a failed run takes: content with healthy containers."""
    heals: bool = False
    """The ledger's release once more, where something drifted."""
    switches_maintenance: bool = False
    """Only the edge changes: it answers for every service, or no longer does."""
    adopts: bool = False
    """Only a record is made, as release 0."""
    only_looks: bool = False
    """Nothing changes, so nobody has to approve it."""
    only_publishes: bool = False
    """Images are built; no host is queried."""
    publishes_and_deploys: bool = False
    """Two runs in one: publish, then deploy."""
    converges: bool = False
    """Whatever a run left that cannot be undone is replaced by it."""
    goes_on: bool = False
    """An unfinished run for the same release is gone on with."""
    notifies_failure: bool = False
    """A failure is sent to whom the environment names; a look sends what changed instead."""
    secrets: Secrets = "keep"
    """Which secrets its containers get."""


_TRAITS: dict[str, Traits] = {
    "publish": Traits(only_publishes=True, notifies_failure=True),
    "release": Traits(publishes_and_deploys=True, converges=True),
    "deploy": Traits(
        changes_what_runs=True, replaces_release=True, may_migrate=True, converges=True,
        goes_on=True, notifies_failure=True, needs_approval_when_frozen=True,
    ),
    "migrate": Traits(
        changes_what_runs=True, names_release=False, may_migrate=True, migrates_alone=True,
        notifies_failure=True, needs_approval_when_frozen=True,
    ),
    "rollback": Traits(
        changes_what_runs=True, replaces_release=True, returns=True, converges=True,
        notifies_failure=True,
    ),
    "restore": Traits(
        changes_what_runs=True, replaces_release=True, restores=True, converges=True,
        notifies_failure=True,
    ),
    "adopt": Traits(changes_what_runs=True, adopts=True, notifies_failure=True),
    "maintenance": Traits(
        changes_what_runs=True, names_release=False, switches_maintenance=True, notifies_failure=True
    ),
    "rotate": Traits(
        changes_what_runs=True, replaces_release=True, converges=True, goes_on=True, rotates=True,
        notifies_failure=True,
    ),
    "backup": Traits(works_beside=True, backs_up_alone=True, notifies_failure=True),
    "drill": Traits(works_beside=True, drills=True, notifies_failure=True),
    # One that heals holds the lock, and so meets what an earlier run left.
    "verify": Traits(only_looks=True, converges=True),
    "undo": Traits(undoes=True, secrets="former"),
    "heal": Traits(heals=True, secrets="present"),
}  # fmt: skip


def traits(verb: str) -> Traits:
    """What a verb does."""
    return _TRAITS.get(verb, Traits())


def verbs_that(trait: str) -> tuple[str, ...]:
    """The verbs with a trait, by its name; raises AttributeError for one that is none."""
    return tuple(verb for verb, has in _TRAITS.items() if getattr(has, trait))
