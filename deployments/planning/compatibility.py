"""Whether an earlier release can run on the database as it is now."""

from __future__ import annotations

from deployments.compose.stack import Stack
from deployments.errors import Refused
from deployments.history.ledger import Line
from deployments.host.observation import Observation


def check_rollback(stack: Stack, line: Line, seen: Observation) -> None:
    """Refuse a release whose image migrates at start and does not know today's revision.

    Such an image meets a revision that it never heard of ("Can't locate revision") and
    restarts for ever. A `command` in the Compose file that only serves makes it safe.
    """
    migrate = stack.deploy.migrate
    if migrate is None or line.revision.after == seen.revision:
        return
    fatal = [s for s in migrate.at_start if not stack.services[s].overrides_command]
    if fatal:
        raise Refused(
            f"release {line.release} cannot run on this database: {', '.join(fatal)} migrates at "
            f"start and knows revision {line.revision.after}, not {seen.revision}",
            state=f"runs {seen.current}, unchanged",
            todo="give the service a `command` that serves without migrating, or deploy forward",
        )
