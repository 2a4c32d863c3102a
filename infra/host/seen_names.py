"""Names that a run sees on a host, kept for the shell's completion."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from deployments.database.backups import Backup, Made
from deployments.errors import Refused
from deployments.host.observation import Observation
from infra.environment.locate import Located
from infra.machine.known_names import KnownName, KnownNames, keep_names, newest_first


class SeenNames:
    """Keeps what one run sees; an observation that says nothing new costs a comparison."""

    def __init__(self, located: Located) -> None:
        self._located = located
        self._last: tuple[object, ...] = ()

    def saw(self, seen: Observation, services: Iterable[str]) -> None:
        """A host was observed."""
        name = self._located.environment.name
        now = (seen.ledger.raw, seen.current, seen.releases, seen.backups)
        # A directory of another environment has names that mean nothing here.
        if now == self._last or seen.environment not in ("", name):
            return
        self._last = now
        releases, backups = _releases(seen), newest_first(map(_backup, seen.backups))
        names = tuple(KnownName(service) for service in services)
        self._keep(lambda known: replace(
            known, current=seen.current or "", releases=releases, backups=backups, services=names
        ))  # fmt: skip

    def released(self, release: str) -> None:
        """A release became the current one."""
        entry = KnownName(release, _utc())
        self._keep(lambda known: replace(
            known, current=release, releases=newest_first((*known.releases, entry))
        ))  # fmt: skip

    def backed_up(self, made: Made) -> None:
        """A backup was made."""
        entry = KnownName(made.id, _time_of(made.id), made.bytes)
        self._keep(lambda known: replace(known, backups=newest_first((*known.backups, entry))))

    def copied(self, ids: Iterable[str]) -> None:
        """The store was listed."""
        copies = newest_first(KnownName(each, _time_of(each)) for each in ids)
        self._keep(lambda known: replace(known, copies=copies))

    def _keep(self, change: Callable[[KnownNames], KnownNames]) -> None:
        keep_names(self._located.environment.name, self._located.file, change)


def _releases(seen: Observation) -> tuple[KnownName, ...]:
    """The current one, and what a rollback can bring back; none where the ledger cannot be read."""
    with suppress(Refused):
        kept = {*seen.releases, seen.current}
        came = [line for line in seen.ledger.lines if line.became(line.release)]
        return newest_first(KnownName(x.release, x.at) for x in came if x.release in kept)
    return ()


def _backup(backup: Backup) -> KnownName:
    return KnownName(backup.id, _time_of(backup.id), backup.bytes)


def _time_of(backup: str) -> str:
    """`20300131T120000Z` -> `2030-01-31T12:00:00Z`."""
    return f"{backup[:4]}-{backup[4:6]}-{backup[6:11]}:{backup[11:13]}:{backup[13:]}"


def _utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
