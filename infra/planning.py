"""Plans for each verb: the target weighed on the host, then the way to it."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.commands.observe import Weighing
from deployments.errors import Refused
from deployments.observation import Candidate, Observation
from deployments.plan import Verb
from deployments.planner import Planner, Request, undo_of_first
from deployments.rollback import check_rollback
from deployments.target import Target
from infra.executor import Planned
from infra.host import Host
from infra.targets import Targets


@dataclass(frozen=True)
class Planning:
    """Makes plans for one host. Under its lock the weighed files stay for the steps."""

    host: Host
    targets: Targets

    def deploy(self, target: Target, seen: Observation) -> Planned:
        """The way to a published release."""
        release = f"{seen.ledger.next_seq}-{target.manifest.name}"
        return self._plan(target, seen, "deploy", release)

    def migration(self, target: Target, seen: Observation) -> Planned:
        """The migration alone, for a database that runs already."""
        if seen.current is None:
            name = self.host.environment.name
            raise Refused(
                "nothing is deployed, so there is no database to migrate",
                where=self.host.environment.ssh, state="untouched",
                todo=f"homeguru deploy --env {name}: it migrates as well",
            )  # fmt: skip
        return self._plan(target, seen, "migrate", seen.current)

    def rollback(self, to: str, seen: Observation) -> Planned:
        """The way back to an earlier release of the host's ledger."""
        line = seen.ledger.target(to, seen.current)
        target = self.targets.former(line.release, pin=False)
        check_rollback(target.stack, line, seen)
        return self._plan(target, seen, "rollback", line.release)

    def undo(self, release: str, seen: Observation) -> Planned:
        """The way back from an unfinished `release` to the current one, or to nothing."""
        if seen.current is not None:
            return self._plan(self.targets.former(seen.current, pin=True), seen, "undo", release)
        request = Request("undo", release, self.host.incoming)
        nothing = Planner(request, self.targets.nothing(), seen, Candidate({}))
        return Planned(undo_of_first(release), nothing)

    def heal(self, seen: Observation) -> Planned:
        """The way back to the current release, with the secrets that the host has."""
        assert seen.current is not None, "only a host with a release is watched"
        return self._plan(self.targets.former(seen.current, pin=True), seen, "heal", seen.current)

    def _plan(self, target: Target, seen: Observation, verb: Verb, release: str) -> Planned:
        modes: dict[Verb, Weighing] = {"undo": "former", "heal": "present"}
        mode = modes.get(verb, "keep") if self.host.locked else "discard"
        candidate = self.host.weigh(target.candidate_files(seen), mode)
        request = Request(verb, release, self.host.incoming)
        planner = Planner(request, target, seen, candidate)
        return Planned(planner.plan(), planner)
