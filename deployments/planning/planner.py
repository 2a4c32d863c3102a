"""The planner: observation and target in, plan out. No clock, no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

from deployments.canonical import canonical
from deployments.compose.env_file import render_env
from deployments.host.candidate import Candidate
from deployments.host.observation import Observation
from deployments.image_name import digest_of
from deployments.planning.changes import Change, changes, secrets_changed
from deployments.planning.database_plan import TRIAL, DatabasePlan
from deployments.planning.plan import Plan, ScriptStep, Step
from deployments.planning.plan_notes import PlanNotes
from deployments.planning.port_handover import TakeOver
from deployments.planning.replacements import Replacements
from deployments.planning.request import PlanRequest
from deployments.planning.steps import Steps
from deployments.planning.target import Target
from deployments.release.adopted_record import NAME, RELEASE
from deployments.shell.adopt import put_files_back, start_by_hand
from deployments.shell.files import forget, remove_project
from deployments.verbs import Traits, traits


@dataclass(frozen=True)
class Planner:
    """Everything that planning reads; `plan()` is its result."""

    request: PlanRequest
    target: Target
    seen: Observation
    candidate: Candidate

    @property
    def _does(self) -> Traits:
        return traits(self.request.verb)

    @property
    def _how(self) -> Replacements:
        keep = self.target.environment.keep_previous and not self._does.undoes
        return Replacements(self.target, self.seen, self.candidate, keep)

    @property
    def _make(self) -> Steps:
        return Steps(self._how, self.request.incoming)

    @property
    def _data(self) -> DatabasePlan:
        # A take-over makes its own backup, before the database's container is replaced.
        due = self._take_over.due
        return DatabasePlan(self.request, self.target, self.seen, self.candidate, due)

    @property
    def _notes(self) -> PlanNotes:
        return PlanNotes(
            self.request.verb, self.target, self.seen, self.candidate, self._how, self._data
        )

    def plan(self) -> Plan:
        """Steps in order; none when the environment already is as wanted."""
        due = self._due
        alone = self._alone()
        steps = self._steps(due) if alone is None else alone
        wanted = self.target.images(self.seen)
        touched = {c.service.name for c in due}
        return Plan(
            verb=self.request.verb,
            release=self.request.release,
            manifest=self.target.manifest.name,
            previous=self.seen.current,
            steps=tuple(steps),
            unchanged=tuple((n, digest_of(r)) for n, r in wanted.items() if n not in touched),
            notes=self._notes.of(due, steps),
            asks=self._data.change.asks if steps else (),
            images=tuple(wanted.items()),
            before=tuple((n, c.digest) for n in wanted for c in self.seen.of(n)[:1]),
            changes=tuple(due) if steps else (),
            content=self._content(),
            incoming=self.request.incoming,
        )

    @cached_property
    def _due(self) -> list[Change]:
        """What differs; for a verb that is about the database alone, nothing else counts."""
        if self._alone() is not None:
            return []
        back = self._does.undoes or self._does.returns
        found = changes(self.target, self.seen, self.candidate, back=back)
        return self._data.with_stopped(found)

    def _content(self) -> str:
        """What the files to install hold, besides what the steps say of it."""
        files = [
            self.target.stack.text, render_env(self.target.env(self.seen)),
            canonical(self.candidate.secrets_then),
        ]  # fmt: skip
        return hashlib.sha256("\0".join(files).encode()).hexdigest()

    def _alone(self) -> list[Step] | None:
        """A verb about the database alone; a migration needs its image. None for any other."""
        steps, migrate = self._data.alone(), self.target.stack.deploy.migrate
        if not self._does.migrates_alone or migrate is None or not steps:
            return steps
        image = self.target.images(self.seen)[migrate.image_of]
        return [self._make.pull({migrate.image_of: image}), *steps]

    def _steps(self, due: list[Change]) -> list[Step]:
        if self.target.adopted:
            return self._adopted_again(due)
        state = self.target.stack.deploy.stateful
        take_over = self._take_over
        moved = take_over.steps(due) if take_over.moves_ports else []
        handed_over = self.target.stack.deploy.routed if moved else set()
        orphans = self._make.remove_orphans()
        # Optional front services start after the port handover.
        last_of_all = bool(moved) or (take_over.due and bool(self.target.stack.deploy.routed))
        # Its ports may be held by what the take-over removes; or it reaches what is replaced.
        behind = self._behind()
        late = [
            c for c in due
            if c.service.name in behind
            or (last_of_all and c.service.name in self.target.stack.deploy.optional)
        ]  # fmt: skip
        early = [c for c in due if c.service.name in state and c not in late]
        undo = self._does.undoes
        work = [
            *([] if last_of_all else orphans),
            *take_over.free_ports(due, back=undo and self.request.release == RELEASE),
            *self._infrastructure(early),
            *self._database(early),
            *self._edge(due),
            *moved,
            *self._replaced([c for c in due if c.service.name not in state | handed_over]),
            # What was deployed by hand serves until its successor does, and may hold a port.
            *(orphans if last_of_all else []),
            *[self._make.up(c) for c in late],
        ]
        let_go = [] if undo else [*self._make.let_go(due), *self._data.end_logins()]
        if not (work or let_go or self._files_differ() or self._other_release()):
            return []
        new = {c.service.name: c.image for c in due if c.new_image}
        first = (
            self._make.restore(len(due))
            if undo
            else self._make.install(self.request.release, len(due))
        )
        # An undo is content with healthy containers: what may be amiss outside was so before.
        last = [] if undo else [self._make.verify(), *self._make.bake(), *let_go]
        prepared = self._make.prepare(due) if self._does.replaces_release else []
        pulled = [self._make.pull(new)] if new else []
        return [first, *pulled, *prepared, *work, *last]

    def _adopted_again(self, due: list[Change]) -> list[Step]:
        """Release 0: its database where it is requested, its files, its containers by Compose."""
        adoption = self.target.adopted
        assert adoption is not None
        orphans = self._make.remove_orphans()
        if self._does.heals and not due and not orphans:
            return []
        names = ", ".join(adoption.services)
        start = start_by_hand(adoption, self.target.environment.longest_start)
        database_steps = [
            *self._data.exchange(fresh=False),
            *(self._data.schema() if adoption.ours else []),
        ]
        last = [] if self._does.undoes else [self._make.verify()]
        reason = f"of {adoption.directory}, as they were"
        return [
            *database_steps,
            ScriptStep("put-back", reason, script=put_files_back()),
            ScriptStep("start-adopted", f"by Compose: {names}", script=start),
            *last,
        ]

    @property
    def _take_over(self) -> TakeOver:
        return TakeOver(self.target, self.seen, self._make)

    def _other_release(self) -> bool:
        """Same containers, another manifest: a release of its own, so that it is recorded."""
        return not self.target.runs(self.seen)

    def _files_differ(self) -> bool:
        return (
            self.seen.compose_file != self.target.stack.text
            or bool(secrets_changed(self.candidate))
            or self.seen.env != render_env(self.target.env(self.seen))
            or self._edge_differs()
        )

    def _edge_differs(self) -> bool:
        """Whether the edge's file changes, or it has not read the one that is there."""
        return self.seen.edge_is_behind or self.seen.edge != self._edge_config

    @property
    def _edge_config(self) -> str:
        return self.target.edge_config(self.seen, {c.service.name for c in self._due})

    def _replaced(self, due: list[Change]) -> list[Step]:
        users = self.target.stack.database_users if self._data.exchanged else []
        how = replace(self._how, stopped=frozenset(s.name for s in users))
        return replace(self._make, how=how).replace(due)

    def _infrastructure(self, due: list[Change]) -> list[Step]:
        """On a first deploy nothing is lost by a start that comes early."""
        first = self.seen.current is None and not self._data.exchanged
        return self._make.start_infrastructure(due) if first else []

    def _database(self, state: list[Change]) -> list[Step]:
        """Stateful services but the edge, then roles and migration where they are due."""
        deploy = self.target.stack.deploy
        edge = deploy.edge.service if deploy.edge else ""
        data = deploy.database.service if deploy.database else ""
        database_changes = [c for c in state if c.service.name == data]
        take_over = self._take_over
        # Users of the database are stopped while it changes, and start afterwards.
        users = (
            {s.name for s in self.target.stack.database_users} if self._data.exchanged else set()
        )
        steps = [
            take_over.database(c) if take_over.due and c in database_changes else self._make.up(c)
            for c in state
            if c.service.name not in {edge, *users}
        ]
        using = [self._make.up(c) for c in state if c.service.name in users - {edge}]
        if not data:
            return steps
        fresh = any(c.first for c in database_changes) and not self.seen.holds_data
        first = [take_over.back_up()] if take_over.due and not fresh else []
        plan = self._data
        roles = plan.roles(new_container=bool(database_changes))
        changed = [*plan.exchange(fresh=fresh), *roles, *plan.schema()]
        return [*first, *steps, *changed, *using]

    def _edge(self, due: list[Change]) -> list[Step]:
        edge = self.target.stack.deploy.edge
        if edge is None or self._take_over.moves_ports:
            return []
        recreated = [self._make.up(c) for c in due if c.service.name == edge.service]
        if recreated or not self._edge_differs():
            return recreated
        return [self._make.reload(edge)]

    def _behind(self) -> set[str]:
        """Services that are not built here and wait for one that is, such as a proxy in front of it.

        What the application itself waits for is none of them, whatever it waits for.
        """
        stack = self.target.stack
        others = set(stack.deploy.infrastructure) & set(stack.services)
        others -= {part.service for part in (stack.deploy.edge, stack.deploy.database) if part}
        built = set(stack.services) - self.target.stack.deploy.stateful
        needed = {name for service in built for name in stack.waited_for(service)}
        return {name for name in others - needed if stack.waited_for(name) & built}

    def files(self, plan: Plan, who: str, run: str) -> dict[str, str]:
        """Files that the plan's steps find in `incoming`, besides the candidate's."""
        target, seen = self.target, self.seen
        about = {
            "manifest.json": target.manifest.to_json(),
            "plan.json": canonical(
                {**plan.to_dict(), "who": who, "run": run, "subject": target.manifest.subject}
            ),
        }
        if target.adopted or self._does.switches_maintenance:
            return about
        trial = self._data.trial
        return {
            **about,
            ".env.now": render_env(target.env_now(seen)),
            "haproxy.cfg": self._edge_config,
            **target.login_file(),
            **({TRIAL: trial} if trial else {}),
        }


def undo_of_adoption() -> Plan:
    """Undo of an adoption: only a record was made, so only that goes."""
    step = ScriptStep("forget", "what runs is left alone", script=forget(RELEASE))
    return Plan("undo", RELEASE, NAME, None, (step,))


def undo_of_first(release: str, first: tuple[Step, ...] = ()) -> Plan:
    """Undo of a first deploy: nothing ran before, so nothing runs after. first: its database's."""
    reason = "no release ran before this one"
    step = ScriptStep("remove-all", reason, script=remove_project())
    return Plan("undo", release, "", None, (*first, step))
