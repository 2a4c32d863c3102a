"""A run that never ended: is it undone, or gone on with?

Undone, as a rule: what ran before is known to work. But where the database was exchanged and is
written to again, the one that was set aside lacks what was written since, and the way back would
take it away from people who were told that it is kept. There the run goes on to its release.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployments.journal import Unfinished
from deployments.observation import Observation
from deployments.plan import Verb


def goes_on(unfinished: Unfinished, users: Iterable[str]) -> bool:
    """Whether the run set a database aside and then started what writes to the other one.

    users: services that use the database. A run that was being undone is undone to the end. Its
    journal tells, since a database that is down for a moment cannot.
    """
    if unfinished.undoing or not unfinished.exchanged:
        return False
    started = {f"{word} {user}" for word in ("replace", "start") for user in users}
    return any(step in started for step in unfinished.begun)


def verb_of(release: str, seen: Observation) -> Verb:
    """What the run was, for the ledger: the journal names its release alone."""
    if release == seen.current:
        return "restore"
    return "rollback" if any(line.release == release for line in seen.ledger.good()) else "deploy"
