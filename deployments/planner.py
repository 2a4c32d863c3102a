"""The planner: observation and target in, plan out. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.changes import Change, changes, digest_of, secrets_changed
from deployments.commands import files as filing
from deployments.edge import read_slots, render
from deployments.ledger import canonical
from deployments.observation import Candidate, Observation
from deployments.plan import Plan, Step, Verb, notes_for
from deployments.steps import DRAIN, Steps
from deployments.target import Target
from deployments.variables import render_env


@dataclass(frozen=True)
class Request:
    """What is asked for, apart from the target: a verb, the release's id, a place for files."""

    verb: Verb
    release: str
    incoming: str

    @property
    def forward(self) -> bool:
        """Whether this verb may change the database; rollback and undo keep it."""
        return self.verb in ("deploy", "migrate")


@dataclass(frozen=True)
class Planner:
    """Everything that planning reads; `plan()` is its result."""

    request: Request
    target: Target
    seen: Observation
    candidate: Candidate

    @property
    def _make(self) -> Steps:
        return Steps(self.target, self.seen, self.candidate, self.request.incoming)

    def plan(self) -> Plan:
        """Steps in order; none when the environment already is as wanted."""
        alone = self.request.verb == "migrate"
        found = [] if alone else changes(self.target, self.seen, self.candidate)
        steps = self._migration_alone() if alone else self._steps(found)
        wanted = self.target.images(self.seen)
        touched = {c.service.name for c in found}
        return Plan(
            verb=self.request.verb,
            release=self.request.release,
            manifest=self.target.manifest.name,
            previous=self.seen.current,
            steps=tuple(steps),
            unchanged=tuple((n, digest_of(r)) for n, r in wanted.items() if n not in touched),
            notes=notes_for(
                found, self._make.short_of_memory(), self._state(), self._routed(), DRAIN
            ),
            images=tuple(wanted.items()),
            before=tuple((n, c.digest) for n in wanted for c in self.seen.of(n)[:1]),
            incoming=self.request.incoming,
        )

    def _migration_alone(self) -> list[Step]:
        migrate = self.target.stack.deploy.migrate
        if migrate is None:
            return []
        image = self.target.images(self.seen)[migrate.image_of]
        roles = self._make.roles("owner and application, their grants and time-outs")
        return [self._make.pull({migrate.image_of: image}), roles, self._make.migrate()]

    def _steps(self, found: list[Change]) -> list[Step]:
        state = self._state()
        work = [
            *self._make.remove_orphans(),
            *self._database([c for c in found if c.service.name in state], found),
            *self._edge(found),
            *[self._make.replace(c) for c in found if c.service.name not in state],
        ]
        if not work and not self._files_differ() and not self._other_release():
            return []
        new = {c.service.name: c.image for c in found if c.new_image}
        undo = self.request.verb == "undo"
        first = (
            self._make.restore(len(found))
            if undo
            else self._make.install(self.request.release, len(found))
        )
        # An undo is content with healthy containers: what may be amiss outside was so before.
        last = [] if undo else [self._make.verify()]
        return [first, *([self._make.pull(new)] if new else []), *work, *last]

    def _other_release(self) -> bool:
        """Same containers, another manifest: a release of its own, so that it is recorded."""
        running = (self.seen.current or "").partition("-")[2]
        return running != self.target.manifest.name

    def _files_differ(self) -> bool:
        return (
            self.seen.compose_file != self.target.stack.text
            or bool(secrets_changed(self.candidate))
            or self.seen.env != render_env(self.target.env(self.seen))
            or self.seen.edge != self.target.edge_config(self.seen)
        )

    def _database(self, state: list[Change], found: list[Change]) -> list[Step]:
        """Stateful services but the edge, then roles and migration where they are due."""
        deploy = self.target.stack.deploy
        edge = deploy.edge.service if deploy.edge else ""
        steps = [self._make.up(c) for c in state if c.service.name != edge]
        if deploy.database is None:
            return steps
        fresh = any(c.service.name == deploy.database.service for c in state)
        migrating = self._migration_due(found)
        passwords = {deploy.database.owner.password, deploy.database.application.password}
        rotated = sorted(passwords & set(secrets_changed(self.candidate)))
        if rotated and not fresh:
            steps.append(self._make.roles(f"passwords changed: {', '.join(rotated)}"))
        elif fresh or migrating:
            steps.append(self._make.roles("owner and application, their grants and time-outs"))
        return steps + ([self._make.migrate()] if migrating else [])

    def _migration_due(self, found: list[Change]) -> bool:
        migrate = self.target.stack.deploy.migrate
        if migrate is None or not self.request.forward:
            return False
        image = any(c.service.name == migrate.image_of and c.new_image for c in found)
        return image or self.seen.revision is None

    def _edge(self, found: list[Change]) -> list[Step]:
        edge = self.target.stack.deploy.edge
        if edge is None:
            return []
        recreated = [self._make.up(c) for c in found if c.service.name == edge.service]
        before = self.seen.edge
        if recreated or before == render(self.target.edge_base, edge, read_slots(before)):
            return recreated
        return [self._make.reload(edge)]

    def _routed(self) -> set[str]:
        """Services behind the edge."""
        edge = self.target.stack.deploy.edge
        return set(edge.routes) if edge else set()

    def _state(self) -> set[str]:
        """Services with state or ports of their own, wherever their images are built."""
        deploy = self.target.stack.deploy
        own = {part.service for part in (deploy.edge, deploy.database) if part}
        return own | set(deploy.infrastructure)

    def files(self, plan: Plan, who: str, run: str) -> dict[str, str]:
        """Files that the plan's steps find in `incoming`, besides the weighed ones."""
        target, seen = self.target, self.seen
        return {
            "manifest.json": target.manifest.to_json(),
            "plan.json": canonical({**plan.to_dict(), "who": who, "run": run}),
            ".env.now": render_env(target.env_now(seen)),
            "haproxy.cfg": target.edge_config(seen),
            **self._login_file(),
        }

    def _login_file(self) -> dict[str, str]:
        login = self.target.environment.login
        if login is None:
            return {}
        return {"registry.password": self.target.secret(login.token).get_secret_value()}


def undo_of_first(release: str) -> Plan:
    """Undo of a first deploy: nothing ran before, so nothing runs after."""
    step = Step("remove containers", "no release ran before this one", filing.remove_all())
    return Plan("undo", release, "", None, (step,))
