"""What a plan would do to the database: asked of the images themselves, on the host.

Nothing here changes anything: an image is pulled, no more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from deployments.database import backups, migration_review
from deployments.database.backups import Backup, Contents
from deployments.database.change import KEEP, DataChange
from deployments.database.choice import Choice
from deployments.errors import Refused
from deployments.history.ledger import Line
from deployments.history.revisions import heads_of
from deployments.host.observation import Observation
from deployments.planning.changes import migration_due
from deployments.planning.compatibility import check_rollback
from deployments.planning.database_steps import DatabaseSteps, patience
from deployments.planning.target import Target
from deployments.shell import postgres
from deployments.shell.quote import Script
from infra.host.session import Host
from infra.run.migration_sql import MigrationSql, read_unchanged
from infra.run.volume import DataVolume

if TYPE_CHECKING:
    from infra.registry.api import Registry


@dataclass(frozen=True)
class MigrationReview:
    """Reviews for one host."""

    host: Host
    registry: Registry

    @cached_property
    def sql(self) -> MigrationSql:
        """What its images print, each asked once."""
        return MigrationSql(self.host, self.registry)

    @property
    def data(self) -> DataVolume:
        """What looks into a database without a container."""
        return DataVolume(self.host, self.registry)

    def forward(self, target: Target, seen: Observation, *, always: bool = False) -> DataChange:
        """What the target's migrations do. always: its image may be the one that runs."""
        migrate = target.stack.deploy.migrate
        if migrate is None or not (always or migration_due(target, seen)):
            return KEEP
        if not always and not seen.database_bytes and target.runs(seen):
            return KEEP  # Its schema is there; the plan starts the database again.
        self._must_answer(target, seen)
        if seen.revision is None and seen.tables:
            return DataChange("migrate", migration_review.of_unknown(seen.tables))
        if seen.revision is None or not migrate.sql:
            return DataChange("migrate")
        image = target.images(seen)[migrate.image_of]
        migration = self.sql.review(target, seen, image, migrate.sql, seen.revision, "")
        return DataChange("migrate", migration)

    def back(self, target: Target, line: Line, seen: Observation, choice: Choice) -> DataChange:
        """What a rollback to an earlier release does; raises Refused when it cannot be."""
        to = line.revision.after
        foreign = target.adopted is not None and not target.adopted.ours
        if choice == "restore" and target.stack.deploy.database is not None:
            # Asked for by name: rows may be wrong where the schema is the same.
            return self._restored(target, line, seen)
        if to == seen.revision or (target.stack.deploy.migrate is None and not foreign):
            return KEEP
        if foreign:
            raise self._not_ours(line, seen)
        if choice == "downgrade":
            return self._downgraded(target, to, seen)
        check_rollback(target.stack, line, seen)
        return self._kept(target, line, seen)

    def restore(self, chosen: Backup, target: Target, seen: Observation) -> DataChange:
        """What putting a backup in the database's place takes back."""
        self._same_major(chosen, target, seen)
        return DataChange("restore", backup=chosen, losses=self._losses(chosen, target, seen))

    def must_know(self, chosen: Backup, target: Target, seen: Observation) -> None:
        """Raise Refused when the target's migrations lack the revision that a backup is at."""
        migrate = target.stack.deploy.migrate
        if migrate is None or not migrate.sql or chosen.revision in (None, seen.revision):
            # What runs is at that revision too, whether its own image knows it or not: nothing migrates.
            return
        image = target.images(seen)[migrate.image_of]
        try:
            self.sql.review(target, seen, image, migrate.sql, chosen.revision, "")
        except Refused as error:
            env = self.host.environment.name
            todo = f"deploy a release that knows that revision, then: homeguru restore {chosen.id} --env {env}"
            if chosen.release and chosen.release != seen.current:
                todo = (
                    f"homeguru rollback {chosen.release} --database restore --env {env} brings that "
                    "release, with the newest backup made under it"
                )
            raise Refused(
                f"backup {chosen.id} is at revision {chosen.revision}: {error.what}",
                where=self._where, state=f"runs {seen.current}, unchanged", todo=todo,
            ) from None  # fmt: skip

    def _must_answer(self, target: Target, seen: Observation) -> None:
        """A database that does not answer is not an empty one."""
        database = target.stack.deploy.database
        if database is None or seen.database_bytes:
            return
        containers = [c.name for c in seen.of(database.service)]
        if seen.current is None and not containers:
            return
        message = "the database does not answer, so what a migration would do to it is not known"
        if seen.current is None:
            # Left by a first deploy that could not be undone; without it, its data is looked into.
            raise Refused(
                message, where=self._where, state="runs no release, unchanged",
                todo=f"on the server: docker rm -f {' '.join(containers)}; it keeps the data, and "
                "the same command again looks into that first",
            )  # fmt: skip
        raise Refused(
            message, where=self._where, state=f"runs {seen.current}, unchanged",
            todo=f"homeguru logs {database.service} --env "
            f"{self.host.environment.name}; homeguru deploy current "
            f"--env {self.host.environment.name} starts it again",
        )  # fmt: skip

    def _restored(self, target: Target, line: Line, seen: Observation) -> DataChange:
        backup = backups.of_release(seen.backups, line.release, line.revision.after)
        if backup is None:
            raise Refused(
                f"no backup was made while release {line.release} ran", where=self._where,
                state=f"runs {seen.current}, unchanged",
                todo="choose --database keep or downgrade; homeguru backups --env "
                f"{self.host.environment.name} shows what there is",
            )  # fmt: skip
        return self.restore(backup, target, seen)

    def _not_ours(self, line: Line, seen: Observation) -> Refused:
        """An image that migrates when it starts never gets past a revision that it lacks."""
        return Refused(
            f"release {line.release} was deployed by hand and may migrate when it starts: it knows "
            f"revision {line.revision.after}, and the database is at {seen.revision}",
            where=self._where, state=f"runs {seen.current}, unchanged",
            todo="choose --database restore: it says first what is lost",
        )  # fmt: skip

    def _downgraded(self, target: Target, to: str | None, seen: Observation) -> DataChange:
        migrate = target.stack.deploy.migrate
        assert migrate is not None
        if not migrate.downgrade or to is None or not seen.of(migrate.image_of):
            raise Refused(
                "this database cannot be downgraded: x-deploy.migrate names no `downgrade`",
                where=self._where, state=f"runs {seen.current}, unchanged",
                todo="choose --database keep or restore",
            )  # fmt: skip
        if len(heads_of(to)) > 1:
            raise Refused(
                f"a downgrade goes to one revision, and that release is at several: {to}",
                where=self._where, state=f"runs {seen.current}, unchanged",
                todo="choose --database restore; or keep, where it can work on what came since",
            )  # fmt: skip
        if len(heads_of(seen.revision)) > 1:
            why = f"the database is at several revisions, {seen.revision}"
            return DataChange("downgrade", migration_review.unreadable(why), to)
        if not migrate.downgrade_sql or seen.revision is None:
            return DataChange("downgrade", migration_review.unreadable("no `downgrade_sql`"), to)
        image = seen.of(migrate.image_of)[0].ref
        migration = self.sql.review(target, seen, image, migrate.downgrade_sql, seen.revision, to)
        return DataChange("downgrade", migration, to)

    def _kept(self, target: Target, line: Line, seen: Observation) -> DataChange:
        """The database stays: may the earlier release work on what came since?"""
        migrate, then = target.stack.deploy.migrate, line.revision.after
        assert migrate is not None
        if not migrate.sql or then is None or not seen.of(migrate.image_of):
            return KEEP
        image = seen.of(migrate.image_of)[0].ref
        try:
            since = self.sql.review(target, seen, image, migrate.sql, then, "")
        except Refused as error:
            # What runs was rolled back to, and knows less than the release to go to.
            return DataChange("keep", migration_review.unreadable(error.what))
        destructive = [f for f in since.findings if f.kind == "destructive"]
        if destructive:
            raise Refused(
                f"release {line.release} cannot work on this database: since then "
                + "; ".join(f.statement for f in destructive), where=self._where,
                state=f"runs {seen.current}, unchanged",
                todo="choose what becomes of the database: --database restore, or downgrade",
            )  # fmt: skip
        return DataChange("keep", since)

    def _losses(
        self, chosen: Backup, target: Target, seen: Observation
    ) -> tuple[backups.Loss, ...]:
        timeout = patience(seen.database_bytes)
        script = Script(postgres.read_contents(DatabaseSteps(target, seen).on), timeout=timeout)
        contents = Contents.model_validate(
            json.loads(read_unchanged(self.host, (script,), timeout=timeout))
        )
        return tuple(backups.losses(chosen.contents, contents))

    def _same_major(self, chosen: Backup, target: Target, seen: Observation) -> None:
        on = DatabaseSteps(target, seen).on
        answer = read_unchanged(self.host, (Script(postgres.read_version(on)),), timeout=60)
        running = answer.split(".")[0].strip()
        if running != chosen.major:
            raise Refused(
                f"backup {chosen.id} is of PostgreSQL {chosen.major}, and {running} runs",
                where=self._where, state=f"runs {seen.current}, unchanged",
                todo="take a backup of this version, or restore it by hand into a new database",
            )  # fmt: skip

    @property
    def _where(self) -> str:
        return self.host.environment.ssh
