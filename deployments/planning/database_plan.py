"""The database's part of a plan: what becomes of it, in which order, and who stops meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.database.change import KEEP, DataChange
from deployments.database.login_roles import superuser_password
from deployments.host.candidate import Candidate
from deployments.host.observation import Observation
from deployments.planning.changes import Change, migration_due
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.plan import Step
from deployments.planning.request import PlanRequest
from deployments.planning.roles_in_turn import passwords_changed
from deployments.planning.target import Target
from deployments.verbs import Traits, traits

TRIAL = "migration.sql"
"""The SQL that is tried, in the run's `incoming`."""
ROLES = "owner and application, their grants and time-outs"


@dataclass(frozen=True)
class DatabasePlan:
    """Reads what the planner reads. backed_up: an earlier step of this plan makes the backup."""

    request: PlanRequest
    target: Target
    seen: Observation
    candidate: Candidate
    backed_up: bool = False

    @property
    def change(self) -> DataChange:
        """What becomes of the database."""
        if self.request.data is not None:
            return self.request.data
        due = self._does.may_migrate and migration_due(self.target, self.seen)
        return DataChange("migrate") if due else KEEP

    def alone(self) -> list[Step] | None:
        """The steps of a verb that is about the database alone; None for any other verb."""
        if self._does.backs_up_alone:
            return [self._make.back_up(self.request.reason)]
        if self._does.drills:
            assert self.request.data is not None and self.request.data.backup is not None
            return [self._make.drill(self.request.data.backup)]
        return self._migration() if self._does.migrates_alone else None

    def _migration(self) -> list[Step]:
        migrate = self.target.stack.deploy.migrate
        if migrate is None or not self.change.changes:
            return []
        return [
            *self._backup(fresh=False), self._make.roles(ROLES),
            self._make.migrate(self.change.migration, self.seen.revision, unseen=self._unseen),
        ]  # fmt: skip

    def with_stopped(self, changes: list[Change]) -> list[Change]:
        """The changes, and the services that only start again because they were stopped.

        On the way back nothing that runs to its end does so again: it would change what is as it was.
        """
        if not self.exchanged:
            return changes
        changed = {c.service.name for c in changes}
        images = self.target.images(self.seen)
        back = self._does.undoes or self._does.returns
        stopped = [
            Change(
                s,
                images[s.name],
                "stopped while the database changed",
                new_image=False,
                first=False,
            )
            for s in self.target.stack.database_users
            if s.name not in changed and not (back and s.runs_once)
        ]
        place = self.target.stack.place
        return sorted([*changes, *stopped], key=lambda c: place[c.service.name])

    def exchange(self, *, fresh: bool) -> list[Step]:
        """Users stop, a backup is made; the database is replaced or copied under the run's name."""
        steps = self._make.stop_users() if self.exchanged else []
        if self._interrupted_run:
            return [*steps, self._make.bring_back(self._interrupted_run)]
        if not self.change.changes:
            return steps
        steps += self._backup(fresh=fresh)
        if self.change.kind == "restore" and self.change.backup:
            return [*steps, self._make.restore_backup(self.change.backup)]
        return [*steps, self._make.set_aside()] if self.change.exclusive else steps

    def roles(self, *, new_container: bool) -> list[Step]:
        """The step for the roles, where they may differ. new_container: the database's."""
        wanted = self.target.stack.deploy.database
        assert wanted is not None
        initial = superuser_password(self.target.stack)
        passwords = {wanted.owner.password, wanted.application.password, initial}
        changed = sorted(passwords & passwords_changed(self.candidate))
        own = {self.target.value(role.role) for role in (wanted.owner, wanted.application)}
        new = initial if self._replaces(initial) and self._make.on.superuser not in own else ""
        if changed and not new_container:
            return [self._make.roles(f"passwords changed: {', '.join(changed)}", new)]
        due = new_container or self.change.changes or self.request.passwords
        due = due or bool(self._interrupted_run)
        return [self._make.roles(ROLES, new)] if due else []

    def _replaces(self, secret: str) -> bool:
        """Whether a value of ours is known that this one replaces.

        Else the superuser's password may be that of who made the data: by that the containers of
        release 0 log in, which a way back starts again.
        """
        found = self.candidate
        former = (values.get(secret) for values in (found.secrets_now, found.released))
        return any(value not in (None, found.secrets_then.get(secret)) for value in former)

    def end_logins(self) -> list[Step]:
        """What ends the login of the application's former role, once nothing uses it."""
        described = self.target.stack.deploy.database is not None
        return self._make.end_logins() if described and not self._does.undoes else []

    def schema(self) -> list[Step]:
        """The step that changes the schema, where one does."""
        change = self.change
        if change.kind == "downgrade":
            return [self._make.downgrade(change.to)]
        since = change.backup.revision if change.backup else self.seen.revision
        # What was restored may be older than the release that goes on with it. That release may be
        # older itself than the revision that it runs with, which its image then does not know.
        restored = change.kind == "restore" and self._does.restores
        after_restore = restored and since != self.seen.revision
        if self.target.stack.deploy.migrate and (after_restore or change.kind == "migrate"):
            unseen = self._unseen and not after_restore
            step = self._make.migrate(change.migration, since, unseen=unseen)
            return [step] if change.changes else []
        return []

    def notes(self) -> list[str]:
        """What a person must know of data that is there without a container."""
        seen = self.seen
        if not seen.places or not self.change.changes:
            return []
        where = ", ".join(seen.places)
        if seen.unread:
            return [
                f"a volume with data is there: {where}. A deploy first starts PostgreSQL on it to look; "
                "what its migration does is reviewed then, and what it would lose waits for a yes"
            ]
        return [f"a volume with data is there: {where}"] if seen.holds_data else []

    @property
    def _unseen(self) -> bool:
        """Whether the database has no revision that says what it is, and was not backed up."""
        return not self.seen.holds_data and not self.backed_up

    @property
    def _does(self) -> Traits:
        return traits(self.request.verb)

    @property
    def _make(self) -> DatabaseSteps:
        return DatabaseSteps(self.target, self.seen)

    @property
    def _interrupted_run(self) -> str:
        """The run that set a database aside and never ended; empty when none did."""
        run = self.request.unfinished
        return (
            run
            if run and (self.request.exchanged or f"aside_{run[-12:]}" in self.seen.aside)
            else ""
        )

    @property
    def exchanged(self) -> bool:
        """Whether the database's users stop while it becomes another one."""
        return bool(self._interrupted_run) or (self.change.exclusive and self.change.changes)

    def _backup(self, *, fresh: bool) -> list[Step]:
        """A backup before the database changes; a fresh one has nothing to lose."""
        wanted = self.change.exclusive or self.target.environment.backup.before_migration
        if fresh or not wanted or not self.seen.holds_data or self.backed_up:
            return []
        if self.change.kind == "restore":
            return [self._make.back_up("restore")]
        trial = f"{self.request.incoming}/{TRIAL}" if self.trial else ""
        return [self._make.back_up("migration", trial)]

    @property
    def trial(self) -> str:
        """The migration's SQL, where a backup is restored and it can be tried there."""
        if self.target.environment.backup.verify != "restore" or self.change.migration is None:
            return ""
        return self.change.migration.sql or ""
