"""A run that never ended: is it undone, or continued?

Undone, as a rule: what ran before is known to work. But where the database was exchanged and is
written to again, the one that was set aside lacks what was written since, and the way back would
take away rows that were acknowledged. There the run goes on to its release. So does one whose
release is requested again, once its containers are being replaced: nothing is known to be wrong
with it, and what is done need not be done twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployments.history.journal import Unfinished
from deployments.host.observation import Observation
from deployments.release.adopted_record import RELEASE
from deployments.verbs import Verb, traits


def goes_on(unfinished: Unfinished, users: Iterable[str], wanted: str = "") -> bool:
    """Whether the rest of the way is nearer, or safer, than the way back.

    users: services that use the database. wanted: the manifest that is requested now, empty where
    an undo comes first whatever it is. A run that was being undone is undone to the end. The
    journal decides, since a database that is down for a moment cannot.
    """
    if unfinished.undoing:
        return False
    if unfinished.exchanged:
        using = set(users)
        return any(
            step.traits.starts_all or (step.traits.starts_service and step.service in using)
            for step in unfinished.begun
        )
    # Replacing comes after the migration: the database is as the release wants it.
    replacing = any(step.traits.replaces_service for step in unfinished.begun)
    return replacing and unfinished.release.partition("-")[2] == wanted


def may_be_gone_on_with(
    manifest: str, verb: str, unfinished: Unfinished, seen: Observation, confirm_timeout: int
) -> str:
    """The manifest, where a run for it may be continued; empty where it is undone.

    The way back to release 0 moves ports, and one in the server's own hands is armed by a plan
    from the start only. What repaired the current release has nothing ahead of it that the way
    back does not bring.
    """
    ahead = unfinished.release != seen.current
    settled = seen.current not in (None, RELEASE) and ahead and not confirm_timeout
    return manifest if traits(verb).goes_on and settled else ""


def verb_of(release: str, seen: Observation) -> Verb:
    """What the run was, for the ledger: the journal names its release alone.

    One for the current release that is gone on with exchanged the database: a restore.
    """
    if release == seen.current:
        return "restore"
    return "rollback" if any(line.release == release for line in seen.ledger.good()) else "deploy"
