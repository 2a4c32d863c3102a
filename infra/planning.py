"""Plans for each verb: the target weighed on the host, then the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployments.backups import Reason, chosen
from deployments.commands.observe import Weighing
from deployments.datachange import KEEP, Choice
from deployments.errors import Refused
from deployments.observation import Candidate, Observation
from deployments.plan import Verb
from deployments.planner import Planner, undo_of_first
from deployments.request import Request
from deployments.target import Target
from infra.executor import Planned
from infra.host import Host
from infra.judge import Judge
from infra.targets import Targets


@dataclass(frozen=True)
class Planning:
    """Makes plans for one host. Under its lock the weighed files stay for the steps."""

    host: Host
    targets: Targets
    judge: Judge

    def deploy(self, target: Target, seen: Observation) -> Planned:
        """The way to a published release."""
        release = f"{seen.ledger.next_seq}-{target.manifest.name}"
        return self._plan(target, seen, "deploy", release, data=self.judge.forward(target, seen))

    def migration(self, target: Target, seen: Observation) -> Planned:
        """The migration alone, for a database that runs already."""
        if seen.current is None:
            name = self.host.environment.name
            raise Refused(
                "nothing is deployed, so there is no database to migrate",
                where=self.host.environment.ssh, state="untouched",
                todo=f"homeguru deploy --env {name}: it migrates as well",
            )  # fmt: skip
        data = self.judge.forward(target, seen, always=True)
        if data.exclusive:
            raise Refused(
                "the release that runs may not work on what this migration leaves: "
                + "; ".join(data.asks), where=self.host.environment.ssh,
                state=f"runs {seen.current}, unchanged",
                todo=f"homeguru deploy --env {self.host.environment.name}: it sets the database aside",
            )  # fmt: skip
        return self._plan(target, seen, "migrate", seen.current, data=data)

    def rollback(self, to: str, seen: Observation, choice: Choice = Choice.keep) -> Planned:
        """The way back to an earlier release of the host's ledger."""
        line = seen.ledger.target(to, seen.current)
        target = self.targets.former(line.release, pin=False)
        data = self.judge.back(target, line, seen, choice)
        return self._plan(target, seen, "rollback", line.release, data=data)

    def backup(self, seen: Observation, reason: Reason) -> Planned:
        """A backup, and nothing else."""
        current = self._current(seen, "back up")
        target = self.targets.former(current, pin=True)
        return self._plan(target, seen, "backup", current, data=KEEP, reason=reason)

    def restore(self, wanted: str, seen: Observation) -> Planned:
        """A backup in the database's place, under the release that runs."""
        current = self._current(seen, "restore")
        target = self.targets.former(current, pin=True)
        data = self.judge.restore(chosen(seen.backups, wanted), target, seen)
        return self._plan(target, seen, "restore", current, data=data)

    def undo(self, release: str, seen: Observation, run: str) -> Planned:
        """The way back from an unfinished `release` of a run to the current one, or to nothing."""
        if seen.current is not None:
            target = self.targets.former(seen.current, pin=True)
            return self._plan(target, seen, "undo", release, data=KEEP, unfinished=run)
        request = Request("undo", release, self.host.incoming)
        nothing = Planner(request, self.targets.nothing(), seen, Candidate({}))
        return Planned(undo_of_first(release), nothing)

    def heal(self, seen: Observation) -> Planned:
        """The way back to the current release, with the secrets that the host has."""
        assert seen.current is not None, "only a host with a release is watched"
        return self._plan(self.targets.former(seen.current, pin=True), seen, "heal", seen.current)

    def _current(self, seen: Observation, what: str) -> str:
        if seen.current is None or seen.revision is None:
            raise Refused(
                f"nothing is deployed, so there is no database to {what}",
                where=self.host.environment.ssh, state="untouched",
                todo=f"homeguru deploy --env {self.host.environment.name}",
            )  # fmt: skip
        return seen.current

    def _plan(
        self, target: Target, seen: Observation, verb: Verb, release: str, **more: Any
    ) -> Planned:
        modes: dict[Verb, Weighing] = {"undo": "former", "heal": "present"}
        mode = modes.get(verb, "keep") if self.host.locked else "discard"
        candidate = self.host.weigh(target.candidate_files(seen), mode)
        request = Request(verb, release, self.host.incoming, **more)
        planner = Planner(request, target, seen, candidate)
        return Planned(planner.plan(), planner)
