"""A database that has its data on the host and no container: what it holds is looked at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.errors import Refused
from deployments.history import journal
from deployments.history.step_kind import StepKey
from deployments.host.observation import Observation, with_database
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.target import Target
from deployments.shell import images, volume
from deployments.shell.quote import Script, join
from infra.host.session import Host

if TYPE_CHECKING:
    from infra.registry.api import Registry


@dataclass(frozen=True)
class DataVolume:
    """Looks into the data of one host."""

    host: Host
    registry: Registry

    def looked_into(self, target: Target, seen: Observation) -> Observation:
        """What was seen, and what the data says that lies there without a container.

        PostgreSQL must run to say it, and nothing runs without the lock: a plan that is only
        shown leaves it open.
        """
        if seen.current is not None or not seen.unread or not self.host.locked:
            return seen
        self.host.log(f"there may be data in {seen.unread}: PostgreSQL starts on it, to look")
        looked = with_database(seen, self._asked(target, seen))
        if not looked.database_bytes:
            on = DatabaseSteps(target, seen).on
            raise self._refused(
                f"PostgreSQL on {seen.unread} has no database {on.name} that {on.superuser} may read",
                "say in [variables] which superuser and database it was made with",
            )
        return looked

    def _asked(self, target: Target, seen: Observation) -> str:
        database = target.stack.deploy.database
        assert database is not None
        on, incoming = DatabaseSteps(target, seen).on, self.host.incoming
        service = target.stack.services[database.service]
        image = target.images(seen)[service.name]
        look = volume.look_into(
            incoming=incoming, service=service.name, variable=service.image_variable, image=image,
            healthy_within=target.environment.healthy_within_of(service.name),
            database=(on.superuser, on.name, database.revision),
        )  # fmt: skip
        parts = (images.pull([image], "looked-at", target.login(incoming)), look)
        script = Script(join(*(part.text for part in parts)), sum(part.timeout for part in parts))
        with self.host.tunnel(self.registry, [image]):
            output = self.host.work(
                StepKey("look-into-data"), script, "begin",
                after=journal.run_line("none", "end", self.host.token, "ok"),
                files={**target.candidate_files(seen), **target.login_file()},
            )  # fmt: skip
        if output.code != 0:
            raise self._refused(
                f"PostgreSQL cannot be asked what is in {seen.unread}:\n{output.tail}",
                "give it the image that made it ([images]), or move it aside if nobody needs it",
            )
        return next((r.words[0] for r in output.results if r.kind == "database" and r.words), "")

    def _refused(self, what: str, todo: str) -> Refused:
        return Refused(
            what, where=self.host.environment.ssh, state="nothing runs; its data is as it was",
            todo=todo,
        )  # fmt: skip
