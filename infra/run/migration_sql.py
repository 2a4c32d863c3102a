"""The SQL of a migration, printed by the image that would run it, and weighed; nothing of it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployments.database import migration_review, sql_container
from deployments.database.migration_review import Migration
from deployments.errors import StepFailed
from deployments.history.revisions import heads_of, pending_of_all
from deployments.host.observation import Observation, sections
from deployments.planning.target import Target
from deployments.shell import database, images
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, join
from infra.host.session import Host
from infra.run import squawk

if TYPE_CHECKING:
    from infra.registry.api import Registry

_UNREAD = {
    "124": f"its image did not print it within {database.LIMIT} s, without a network",
    "toomuch": f"it is longer than {database.MOST // 1_000_000} MB",
}
"""What there is to say of an answer that is none, by its code."""


def read_unchanged(
    host: Host, parts: tuple[Script, ...], timeout: int, files: dict[str, str] | None = None
) -> str:
    """The answer of scripts that change nothing; raises StepFailed, which says so."""
    try:
        script = Script(join(prelude(host.environment), *(part.text for part in parts)), timeout)
        return host.read(script, files)
    except StepFailed as error:
        # Only looked at so far: `untouched` is for a server that runs nothing.
        raise StepFailed(
            error.what, where=host.environment.ssh, state="as it was, unchanged",
            todo="correct the cause, then run the same command again",
        ) from None  # fmt: skip


@dataclass(frozen=True)
class MigrationSql:
    """Of images on one host; what was asked of one once is not asked again in the same run."""

    host: Host
    registry: Registry
    _reviews: dict[tuple[str, ...], Migration] = field(default_factory=dict)

    def review(
        self, target: Target, seen: Observation, image: str, command: tuple[str, ...],
        revision: str, to: str,
    ) -> Migration:  # fmt: skip
        """What the statements from one revision to another do; empty `to`: to the newest one.

        Raises Refused for an image that does not know the revision, StepFailed for a host that does
        not answer.
        """
        key = (image, *command, revision, to)
        if key not in self._reviews:
            self._reviews[key] = self._reviewed(target, seen, image, command, revision, to)
        return self._reviews[key]

    def _reviewed(
        self, target: Target, seen: Observation, image: str, command: tuple[str, ...],
        revision: str, to: str,
    ) -> Migration:  # fmt: skip
        """From each head of its own, where there are several: what prints SQL takes one."""
        heads = heads_of(revision) if any("{from}" in word for word in command) else (revision,)
        printed: list[str] = []
        for head in heads:
            words = tuple(w.replace("{from}", head).replace("{to}", to) for w in command)
            answer = self._printed(target, seen, image, words, head)
            if isinstance(answer, Migration):
                return answer
            printed.append(answer)
        sql = printed[0] if len(printed) == 1 else pending_of_all(printed)
        if sql is None:
            return migration_review.unreadable(f"the database is at several revisions, {revision}")
        return migration_review.review(sql, squawk.lint(sql, seen.database_major), revision)

    def _printed(
        self, target: Target, seen: Observation, image: str, words: tuple[str, ...], revision: str
    ) -> str | Migration:
        """The SQL, or that it could not be had."""
        migrate = target.stack.deploy.migrate
        assert migrate is not None
        incoming = self.host.incoming
        files = {
            sql_container.FILE: sql_container.compose_file(
                target.stack.processes[migrate.service], image
            ),
            sql_container.ENV_FILE: sql_container.env_file(
                target.env(seen), target.configuration.secrets
            ),
            **target.login_file(),
        }
        parts = (
            # The tag that hosts know from before: another one would keep the image behind it.
            images.pull([image], "judged", target.login(incoming)),
            database.print_sql(incoming, words),
        )
        with self.host.tunnel(self.registry, [image]):
            answer = sections(read_unchanged(self.host, parts, timeout=900, files=files))
        return self._answer_read(answer, target, seen, revision)

    def _answer_read(
        self, answer: dict[str, str], target: Target, seen: Observation, revision: str
    ) -> str | Migration:
        output, code = self.host.mask(answer.get("said", "")), answer.get("code", "").strip()
        if unread := _UNREAD.get(code):
            return migration_review.unreadable(unread)
        if code != "0":
            refused = migration_review.refusal(
                output, revision, seen.ledger, target.manifest.name, self.host.environment.name
            )
            if refused:
                raise refused
            lines = [x for x in output.strip().splitlines() if x]
            return migration_review.unreadable(lines[-1][:200] if lines else "no reason was given")
        return answer.get("sql", "")
