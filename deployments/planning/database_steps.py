"""The steps that change the database, or keep a way back to it as it was."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.canonical import canonical
from deployments.database.backups import Backup, Reason
from deployments.database.migration_review import Migration
from deployments.errors import WrongUse
from deployments.host.observation import Observation
from deployments.host.script_results import ResultKind
from deployments.planning.plan import ScriptStep, Step
from deployments.planning.roles_in_turn import former_logins, roles_of
from deployments.planning.target import Target
from deployments.shell import backup, database, exchange
from deployments.shell.postgres import On
from deployments.shell.quote import Script, join
from deployments.shell.replace import stop_service

LONGEST = 40
"""Bytes of a database's name: PostgreSQL cuts a name at 63, and `_undone_<run>_2` comes after it."""


@dataclass(frozen=True)
class DatabaseSteps:
    """Makes the database's steps for one target on one host; needs `x-deploy.database`."""

    target: Target
    seen: Observation

    def roles(self, reason: str, initial: str = "") -> Step:
        """Both database roles, their grants and time-outs. initial: secret of the superuser's new
        password."""
        wanted = self.target.stack.deploy.database
        assert wanted is not None
        login = self.target.value(wanted.application.role)
        turns = roles_of(self.target)
        script = database.prepare_roles(
            wanted.service, self.on.superuser, self.on.name, self._owner,
            (turns.first if turns else login, wanted.application.password),
            login if turns else "", initial,
        )  # fmt: skip
        return ScriptStep("roles", reason, script=script)

    def end_logins(self) -> list[Step]:
        """The password of the role that no container logs in as any more."""
        wanted = self.target.stack.deploy.database
        return [
            ScriptStep(
                "end-login", f"{role}: nothing logs in as that any more",
                script=database.end_login(wanted.service, self.on.superuser, self.on.name, role),
            )
            for role in former_logins(self.target, self.seen)
            if wanted
        ]  # fmt: skip

    @property
    def _owner(self) -> tuple[str, str]:
        """The owner's role and its secret. The application's second role owns nothing."""
        wanted = self.target.stack.deploy.database
        assert wanted is not None
        turns = roles_of(self.target)
        role = self.target.value(wanted.owner.role)
        return turns.first if turns and role == turns.second else role, wanted.owner.password

    def back_up(self, reason: Reason, trial: str = "") -> Step:
        """A backup on the host, with a description that the host completes.

        trial: the migration's SQL on the host, tried where the backup is restored to verify it.
        """
        size, verify = self.seen.database_bytes, self.target.environment.backup.verify
        described = self._described(reason)
        script = backup.back_up(self.on, described, verify, patience(size), trial, self._owner)
        words = {n: f"before the {n}" for n in ("migration", "restore")}
        why = {**words, "adoption": "before the first deploy"}.get(reason, reason)
        why += ", which is tried on it" if trial else ""
        return ScriptStep(
            "back-up", why, script=script, about=f"about {_megabytes(size)}",
            results=("backup",),
        )  # fmt: skip

    def _described(self, reason: Reason) -> str:
        return canonical({
            "v": 1, "id": "@ID@", "at": "@AT@", "database": self.on.name, "run": "@RUN@",
            "release": self.seen.current or "", "revision": self.seen.revision, "reason": reason,
            "server": "@SERVER@", "bytes": "@BYTES@", "sha256": "@SHA256@",
            "contents": "@CONTENTS@",
        })  # fmt: skip

    def stop_users(self) -> list[Step]:
        """Everything that uses the database stops: nothing is written while it is exchanged."""
        return [
            ScriptStep(
                "stop", "it uses the database, which changes", service=s.name,
                script=stop_service(s.name, s.stop_grace),
            )
            for s in self.target.stack.database_users
            if self.seen.of(s.name)
        ]  # fmt: skip

    def set_aside(self) -> Step:
        """A copy of the database under the run's name: the way back until the run is recorded."""
        script = exchange.copy_aside(self.on, patience(self.seen.database_bytes))
        return ScriptStep("set-aside", "a copy, until this run is recorded", script=script)

    def restore_backup(self, chosen: Backup) -> Step:
        """A backup in the database's place; the one before is set aside."""
        script = exchange.restore(
            self.on, chosen.id, chosen.sha256, chosen.revision or "", patience(chosen.bytes * 5),
            chosen.contents.extensions,
        )  # fmt: skip
        reason = f"backup {chosen.id}, revision {chosen.revision}"
        return ScriptStep("restore", reason, script=script, results=("revision",))

    def drill(self, chosen: Backup) -> Step:
        """A backup restored next to the database, and dropped again: does it restore?"""
        script = exchange.drill(
            self.on, chosen.id, chosen.sha256, patience(chosen.bytes * 5),
            chosen.contents.extensions,
        )  # fmt: skip
        reason = f"backup {chosen.id}, restored beside the database"
        return ScriptStep("drill", reason, script=script)

    def bring_back(self, run: str) -> Step:
        """The database that a run set aside, back under its name."""
        script = exchange.bring_back(self.on, run)
        return ScriptStep("bring-back", "as it was before", script=script, results=("kept",))

    def downgrade(self, to: str) -> Step:
        """Back to an earlier revision, in a one-off container of the image that runs now."""
        deploy = self.target.stack.deploy
        assert deploy.migrate is not None
        image = self.seen.of(deploy.migrate.image_of)[0].ref
        command = tuple(word.replace("{to}", to) for word in deploy.migrate.downgrade)
        script = self._one_off(image, command)
        reason = f"from {self.seen.revision} to {to}, by the running {deploy.migrate.image_of}"
        return ScriptStep("downgrade", reason, script=script, results=("revision",))

    @property
    def on(self) -> On:
        """The database that its scripts are about."""
        wanted = self.target.stack.deploy.database
        assert wanted is not None
        name = self.target.value(wanted.name)
        if len(name.encode()) > LONGEST:
            raise WrongUse(
                f"the database's name has more than {LONGEST} bytes: {name}",
                where=f"environment {self.target.environment.name}", state="unchanged",
                todo="PostgreSQL would cut the names of what is put beside it: rename it",
            )  # fmt: skip
        return On(wanted.service, self.target.value(wanted.superuser), name)

    def migrate(
        self, migration: Migration | None, since: str | None, *, unseen: bool = False
    ) -> Step:
        """The migration since a revision, in a one-off container of the target's image.

        unseen: nobody knows what the database holds, and no backup of it was made.
        """
        deploy = self.target.stack.deploy
        assert deploy.migrate is not None
        image = self.target.images(self.seen)[deploy.migrate.image_of]
        before = since or self._unversioned
        to = f" to {migration.to}" if migration and migration.to else ""
        script = self._one_off(image, deploy.migrate.command)
        if unseen:
            script = self._unless_empty(script)
        results: tuple[ResultKind, ...] = ("backup", "revision") if unseen else ("revision",)
        reason = f"from {before}{to}, by {deploy.migrate.image_of}'s image"
        return ScriptStep("migrate", reason, script=script, results=results)

    @property
    def _unversioned(self) -> str:
        """What a database without a revision is."""
        if self.seen.unread:
            return f"what {self.seen.unread} holds"
        return "a database without a revision" if self.seen.tables else "an empty database"

    def _unless_empty(self, script: Script) -> Script:
        """A database taken for empty is backed up where it is not: an earlier volume, say."""
        verify = self.target.environment.backup.verify
        first = backup.back_up_unless_empty(self.on, self._described("migration"), verify)
        return Script(join(first, script.text), timeout=script.timeout + patience(0))

    def _one_off(self, image: str, command: tuple[str, ...]) -> Script:
        """A command of the migrating service in a container of an image."""
        deploy = self.target.stack.deploy
        assert deploy.migrate is not None and deploy.database is not None
        service = self.target.stack.services[deploy.migrate.service]
        on = self.on
        return database.migrate(
            database=(on.service, on.superuser, on.name, deploy.database.revision),
            service=service.name, variable=service.image_variable, image=image, command=command,
            timeout=deploy.migrate.timeout,
        )  # fmt: skip


def patience(size: int) -> int:
    """Seconds for work on so many bytes: ten minutes, and a minute more for each 100 MB."""
    return 600 + size // 1_600_000


def _megabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{max(size // 2**20, 1)} MB"
