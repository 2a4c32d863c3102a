"""Plans for each verb: what it wants, and what stands in its way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from deployments.compose.extension import no_database
from deployments.database.backups import Reason, chosen, to_restore
from deployments.database.change import KEEP, DataChange
from deployments.database.choice import Choice
from deployments.errors import Refused
from deployments.history.ledger import names_of
from deployments.host.candidate import Candidate
from deployments.host.maintenance import Switch, checked_reason
from deployments.host.observation import Observation
from deployments.host.survey import read_comparison, read_survey
from deployments.planning.adoption import Adopting, by_hand, plan_of_adoption
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.maintenance import MaintenancePlans, requested
from deployments.planning.planner import Planner, undo_of_adoption, undo_of_first
from deployments.planning.preflight import with_database
from deployments.planning.request import PlanRequest
from deployments.planning.target import Target
from deployments.planning.unfinished_runs import verb_of
from deployments.release.adopted_record import RELEASE
from deployments.release.manifest import Manifest
from deployments.verbs import Verb
from infra.host.session import Host
from infra.host.targets import Targets
from infra.run.executor import Planned
from infra.run.migration_review import MigrationReview
from infra.run.plan_maker import PlanMaker
from infra.run.run import Run


@dataclass(frozen=True)
class Planning:
    """Makes plans for one host. Under its lock the files of the candidate stay for the steps."""

    run: Run
    targets: Targets
    review: MigrationReview

    @property
    def host(self) -> Host:
        """The run's."""
        return self.run.host

    def deploy(self, target: Target, seen: Observation) -> Planned:
        """The way to a published release."""
        self._must_be_ours(seen)
        seen = self.review.data.looked_into(target, seen)
        release = f"{seen.ledger.next_seq}-{target.manifest.name}"
        data = self.review.forward(target, seen)
        return self._plan(target, seen, self._ask("deploy", release, data))

    def _must_be_ours(self, seen: Observation) -> None:
        """What was deployed by hand is recorded first: going back would remove it otherwise."""
        environment = self.host.environment
        names = by_hand(seen, environment.directory)
        if not names:
            return
        raise Refused(
            f"project {environment.project} was deployed by hand: {', '.join(names)}",
            where=environment.ssh, state="untouched",
            todo=f"homeguru adopt --env {environment.name}: it records that as release 0, "
            "and touches no container",
        )  # fmt: skip

    def migration(self, target: Target, seen: Observation) -> Planned:
        """The migration alone, for a database that runs already."""
        if seen.current is None:
            name = self.host.environment.name
            raise Refused(
                "nothing is deployed, so there is no database to migrate",
                where=self.host.environment.ssh, state="untouched",
                todo=f"homeguru deploy {target.manifest.name} --env {name}: it migrates as well",
            )  # fmt: skip
        data = self.review.forward(target, seen, always=True)
        if data.exclusive:
            raise Refused(
                "the release that runs may not work on what this migration leaves: "
                + "; ".join(data.asks), where=self.host.environment.ssh,
                state=f"runs {seen.current}, unchanged",
                todo=f"homeguru deploy {target.manifest.name} --env {self.host.environment.name}: it sets the "
                "database aside",
            )  # fmt: skip
        return self._plan(target, seen, self._ask("migrate", seen.current, data))

    def rollback(self, to: str, seen: Observation, choice: Choice = Choice.keep) -> Planned:
        """The way back to an earlier release of the host's ledger; none to the one that runs.

        Who asks again after a kill gets an empty plan, as with a deploy.
        """
        names = names_of(seen.current) if seen.current else ()
        # For the journal too, where the release alone would not say it.
        self.run.request = f"rollback {to} {choice}"
        if self.run.ended_already or (choice != "restore" and to in names):
            assert seen.current is not None
            target = self.targets.complete(seen.current, pin=False)
            return self._plan(target, seen, self._ask("rollback", seen.current, KEEP))
        line = seen.ledger.target(to, seen.current, seen.releases)
        target = self.targets.complete(line.release, pin=False)
        self._has_tls(target, line.release, seen)
        if choice != "keep" and target.stack.deploy.database is None:
            runs, environment = f"runs {seen.current}, unchanged", self.host.environment.name
            raise no_database(self._compose_file, runs, environment)
        data = self.review.back(target, line, seen, choice)
        planned = self._plan(target, seen, self._ask("rollback", line.release, data))
        if not planned.plan.changed:
            environment = self.host.environment.name
            raise Refused(
                f"{line.release} differs from what runs in its secrets alone, and no release keeps those",
                where=target.environment.ssh, state=f"runs {seen.current}, unchanged",
                todo=f"correct the secret, then homeguru deploy current --env {environment}; or name an "
                f"earlier release, as homeguru history --env {environment} shows them",
            )  # fmt: skip
        return planned

    def _has_tls(self, target: Target, release: str, seen: Observation) -> None:
        """A release from before there was TLS would take the domain's away."""
        domain = target.environment.edge.domain
        if not domain or "EDGE_DOMAIN" in target.stack.deploy.optional.values():
            return
        raise Refused(
            f"release {release} knows nothing of TLS, and [edge] names {domain}",
            where=target.environment.ssh, state=f"runs {seen.current}, unchanged",
            todo="publish that commit again and deploy it, or take [edge] domain away first",
        )  # fmt: skip

    def backup(self, seen: Observation, reason: Reason) -> Planned:
        """A backup, and nothing else."""
        current = self._current(seen, "back up")
        target = self.targets.former(current, pin=True)
        request = replace(self._ask("backup", current, KEEP), reason=reason)
        return self._plan(target, seen, request)

    def drill(self, wanted: str, seen: Observation) -> Planned:
        """A backup restored beside the database, and nothing else."""
        current = self._current(seen, "restore beside")
        target = self.targets.former(current, pin=True)
        data = DataChange("keep", backup=chosen(seen.backups, wanted, self.host.environment.name))
        return self._plan(target, seen, self._ask("drill", current, data))

    def restore(self, wanted: str, seen: Observation) -> Planned:
        """A backup in the database's place, under the release that runs."""
        current = self._current(seen, "restore")
        target = self.targets.complete(current, pin=True)
        self.run.request = f"restore {wanted}"
        if self.run.ended_already:
            return self._plan(target, seen, self._ask("restore", current, KEEP))
        backup = to_restore(seen.backups, wanted, self.host.environment.name)
        self.review.must_know(backup, target, seen)
        data = self.review.restore(backup, target, seen)
        return self._plan(target, seen, self._ask("restore", current, data))

    def maintenance(self, switch: Switch, reason: str, seen: Observation) -> Planned:
        """Maintenance on or off, under the release that runs."""
        noted = checked_reason(reason)
        self.run.request = requested(switch)
        if seen.current is None:
            raise Refused(
                "nothing is deployed, so there is no edge that could answer",
                where=self.host.environment.ssh, state="untouched",
                todo=f"homeguru deploy newest --env {self.host.environment.name}",
            )  # fmt: skip
        planner = self._of_current(seen.current, seen)
        plans = MaintenancePlans(planner.target, seen)
        return Planned(plans.plan(switch, noted, self.host.actor.who), planner)

    def rotation(self, secret: str, seen: Observation) -> Planned:
        """The release that runs once more, with the secrets of now: one of them has another value."""
        self._must_be_ours(seen)
        self.run.request = f"rotate {secret}"
        if seen.current in (None, RELEASE):
            name = self.host.environment.name
            raise Refused(
                "no release of ours runs that could be given another value",
                where=self.host.environment.ssh, state="untouched",
                todo=f"write it where {secret} is kept, then homeguru deploy newest --env {name}",
            )  # fmt: skip
        target = self.targets.complete(str(seen.current), pin=True)
        release = f"{seen.ledger.next_seq}-{target.manifest.name}"
        planned = self._plan(target, seen, self._ask("rotate", release, KEEP))
        return Planned(replace(planned.plan, reason=secret), planned.planner)

    def as_noted(self, seen: Observation) -> Planned:
        """The edge as the host's note of maintenance says, after a run that did not end."""
        assert seen.current is not None, "maintenance needs a release"
        planner = self._of_current(seen.current, seen)
        return Planned(MaintenancePlans(planner.target, seen).as_noted(), planner)

    def _of_current(self, current: str, seen: Observation) -> Planner:
        """What a plan is made from that leaves the release and its files alone."""
        request = PlanRequest("maintenance", current, self.host.incoming)
        return Planner(request, self.targets.former(current, pin=True), seen, Candidate({}))

    def undo(self, release: str, seen: Observation, run: str, *, exchanged: bool) -> Planned:
        """The way back from an unfinished `release` of a run to the current one, or to nothing.

        exchanged: the run may have set a database aside.
        """
        if seen.current is not None:
            target = self.targets.former(seen.current, pin=True)
            way_back = self._ask("undo", release, KEEP)
            return self._plan(target, seen, replace(way_back, unfinished=run, exchanged=exchanged))
        request = PlanRequest("undo", release, self.host.incoming)
        nothing = Planner(request, self.targets.nothing(), seen, Candidate({}))
        # Data that was there before the first release is as it was before, too.
        data = DatabaseSteps(nothing.target, seen).bring_back(run) if exchanged else None
        first = undo_of_first(release, (data,) if data else ())
        return Planned(undo_of_adoption() if release == RELEASE else first, nothing)

    def go_on(self, release: str, seen: Observation) -> Planned:
        """The rest of the way to the release of an unfinished run; its database is there."""
        target = self.targets.complete(release, pin=True)
        return self._maker.made(target, seen, self._ask(verb_of(release, seen), release, KEEP))

    def heal(self, seen: Observation) -> Planned:
        """The way back to the current release, with the secrets that the host has."""
        assert seen.current is not None, "only a host with a release is watched"
        target = self.targets.former(seen.current, pin=True)
        return self._plan(target, seen, self._ask("heal", seen.current))

    def adopt(self, seen: Observation) -> Planned:
        """What was deployed by hand, recorded as release 0."""
        stack, environment = self.targets.assembly.stack, self.host.environment
        database = stack.deploy.database
        answer = self.host.survey(database.service if database else "")
        compose = hashlib.sha256(stack.text.encode()).hexdigest()
        survey = read_survey(answer, compose)
        adopting = Adopting(environment, stack, seen, survey)
        adoption = adopting.adoption()
        if adopting.unlike:
            anew = read_comparison(self.host.compare(adoption))
            adopting = replace(adopting, survey=replace(survey, made_anew=anew))
        manifest = Manifest.of_adopted(adoption)
        target = self.targets.recorded(manifest.to_json(), stack.text, "", pin=True)
        plan = plan_of_adoption(adoption, self.host.incoming, adopting.notes())
        request = PlanRequest("adopt", RELEASE, self.host.incoming)
        return Planned(plan, Planner(request, target, seen, Candidate({})))

    def _current(self, seen: Observation, what: str) -> str:
        stack = self.targets.assembly.stack
        return with_database(stack, seen, what, self.host.environment, self._compose_file)

    @property
    def _compose_file(self) -> str:
        return str(self.targets.assembly.located.compose_file)

    def _ask(self, verb: Verb, release: str, data: DataChange | None = None) -> PlanRequest:
        return PlanRequest(verb, release, self.host.incoming, data)

    def _plan(self, target: Target, seen: Observation, request: PlanRequest) -> Planned:
        return self._maker.plan(target, seen, request)

    @property
    def _maker(self) -> PlanMaker:
        return PlanMaker(self.host, self.targets)
