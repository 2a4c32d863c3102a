"""What a host lets go after a run that went well."""

from __future__ import annotations

from deployments.backups import expired
from deployments.commands import backup
from deployments.commands.quote import Script
from deployments.database_steps import DatabaseSteps
from deployments.observation import Observation
from deployments.plan import Plan
from deployments.target import Target


def tidy(target: Target, seen: Observation, plan: Plan, made: str | None) -> Script | None:
    """The script that lets it go; None when there is nothing."""
    if target.stack.deploy.database is None:
        return None
    exchanged = any(s.name in ("set database aside", "restore database") for s in plan.steps)
    gone = expired(seen.backups, target.environment.backup, made)
    if not (gone or exchanged or seen.aside):
        return None
    on = DatabaseSteps(target, seen).on
    return backup.settle(on if exchanged or seen.aside else None, gone)
