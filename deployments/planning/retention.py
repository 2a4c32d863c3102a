"""What a host lets go after a run that went well."""

from __future__ import annotations

from deployments.database.backups import Made, expired
from deployments.environment.policy import Retention
from deployments.history.ledger import Ledger
from deployments.host.observation import Observation
from deployments.planning.database_steps import DatabaseSteps
from deployments.planning.plan import Plan
from deployments.planning.target import Target
from deployments.shell import backup, host_registry, prune
from deployments.shell.quote import Script, join
from deployments.verbs import traits


def tidy(target: Target, seen: Observation, plan: Plan, made: Made | None) -> Script | None:
    """The script that lets it go; None when there is nothing."""
    parts = [s for s in (_data(target, seen, plan, made), _records(target, seen, plan)) if s]
    if not parts:
        return None
    return Script(join(*(s.text for s in parts)), timeout=sum(s.timeout for s in parts))


def _data(target: Target, seen: Observation, plan: Plan, made: Made | None) -> Script | None:
    """Databases that were set aside, and backups past their policy."""
    if target.stack.deploy.database is None:
        return None
    exchanged = any(s.key.traits.exchanges_database for s in plan.steps)
    # Only a run that put the host on one release knows that no way back is needed.
    settled = exchanged or (seen.aside and traits(plan.verb).replaces_release)
    gone = expired(seen.backups, target.environment.backup, made)
    if not (gone or settled):
        return None
    on = DatabaseSteps(target, seen).on if settled else None
    return backup.settle(on, gone, made.id if made else "")


def _records(target: Target, seen: Observation, plan: Plan) -> Script | None:
    """Releases and journals past their policy."""
    policy = target.environment.retention
    keep = releases_to_keep(seen.releases, seen.ledger, {plan.release, plan.previous or ""}, policy)
    gone = set(seen.releases) - keep
    if not gone and seen.journals < policy.journals:
        return None
    script = prune.prune(sorted(keep) if gone else [], policy.journals)
    if not gone or target.environment.host_registry_port is None:
        return script
    registry = host_registry.prune()
    return Script(join(script.text, registry.text), script.timeout + registry.timeout)


def releases_to_keep(
    releases: tuple[str, ...], ledger: Ledger, needed: set[str], policy: Retention
) -> set[str]:
    """Releases whose records and images stay: what is needed, and those that ran well last.

    One that was gone back to counts from then, not from when it first came. What failed stays as
    long as the oldest of those does: its report is worth reading then.
    """
    ran = {line.release: line.seq for line in ledger.lines if line.outcome == "ok"}
    good = sorted((r for r in ran if r in releases), key=ran.__getitem__)
    newest = {*good[-policy.releases :], *(needed & set(releases))}
    if not newest or len(good) <= policy.releases:
        return {*releases, *needed}
    since = min(ran.get(r, 0) for r in good[-policy.releases :])
    number_of = {line.release: line.seq for line in ledger.lines}
    failed = {r for r in releases if r not in ran and number_of.get(r, since + 1) > since}
    return {*newest, *needed, *failed}
