"""Drift: what on a host is no longer as its ledger's current release left it.

The plan back to the current release says most of it; what no plan would touch (the
database's revision, an edited ledger) is reported as well. Only names, never values.
"""

from __future__ import annotations

from dataclasses import replace

from deployments.compose.env_file import parse_env
from deployments.compose.variables import changed_names
from deployments.health.verification import CheckResult
from deployments.host.candidate import Candidate, ReleaseRecord
from deployments.host.edge import without_slots
from deployments.host.edge_answers import in_maintenance, without_maintenance
from deployments.host.observation import Observation
from deployments.image_name import digest_of, short
from deployments.planning.changes import changes
from deployments.planning.target import Target

NO_HEALING = frozenset({"revision", "ledger"})
"""Checks whose drift no deploy of the same release takes back."""

FOR_A_PERSON = "secrets"
"""Check of secrets that were edited on the host: nobody but a person knows which are right."""


def find_drift(target: Target, seen: Observation, record: ReleaseRecord) -> list[CheckResult]:
    """Everything that differs from the release that `target` and `record` describe.

    target: the current release, its infrastructure pinned, as the host keeps a record of it.
    """
    return [
        *_services(target, seen, record),
        *_unknown(target, seen),
        *_files(target, seen, record),
        *_revision(target, seen),
        *_ledger(seen),
    ]


def heals(results: list[CheckResult]) -> bool:
    """Whether deploying the current release again takes some of it back, and hides nothing."""
    checks = {f.check for f in results if not f.ok}
    return bool(checks - NO_HEALING) and FOR_A_PERSON not in checks


def unknown_current(seen: Observation) -> list[str]:
    """A current release that no line of the ledger names: lines are gone from its end."""
    if seen.current is None or seen.current in {line.release for line in seen.ledger.lines}:
        return []
    return [f"no line of the ledger names release {seen.current}, which is the current one"]


def secrets_edited(record: ReleaseRecord) -> list[str]:
    """Names of secrets whose value on the host is not the one that the release recorded."""
    recorded = record.candidate.secrets_then
    return changed_names(record.candidate.secrets_now, recorded) if recorded else []


def _drift(service: str, check: str, detail: str) -> CheckResult:
    return CheckResult(service, check, ok=False, detail=detail)


def _services(target: Target, seen: Observation, record: ReleaseRecord) -> list[CheckResult]:
    """Long-running services that a plan back would replace."""
    left_out = target.environment.verify.leave_out
    changed = changes(target, seen, _candidate(target, seen, record))
    return [
        _drift(c.service.name, "drift", _words(c.reason, c.image, seen, c.service.name))
        for c in changed
        if c.service.name not in left_out
    ]


def _candidate(target: Target, seen: Observation, record: ReleaseRecord) -> Candidate:
    """Compose's hashes; where it could not read the files, containers count as unchanged."""
    running = {c.service: c.config_hash for c in seen.long_running}
    if target.adopted:
        return Candidate({n: s.config_hash for n, s in target.adopted.services.items()})
    return replace(record.candidate, hashes=record.candidate.hashes or running)


def _words(reason: str, image: str, seen: Observation, service: str) -> str:
    """A plan's reason as a statement about what is there now."""
    running = seen.of(service)
    if not running:
        return "its container is gone"
    if len(running) > 1:
        return f"{len(running)} containers"
    if reason.startswith("image "):
        return f"runs {short(running[0].digest)}, not {short(digest_of(image))}"
    if reason.startswith("its definition"):
        return "its container was made with another configuration"
    return reason


def _unknown(target: Target, seen: Observation) -> list[CheckResult]:
    """Containers of the project whose service the release's Compose file does not have.

    One-off containers are a run's or a plan's at work, and end by themselves.
    """
    return [
        _drift(c.service or c.name, "unknown", f"container {c.name} belongs to no release")
        for c in seen.containers
        if not c.one_off and c.service not in target.known_services
    ]


def _files(target: Target, seen: Observation, record: ReleaseRecord) -> list[CheckResult]:
    if target.adopted:
        return []
    results = []
    if seen.compose_file != target.stack.text:
        results.append(_drift("server", "compose.yml", _edited(seen.compose_file)))
    names = changed_names(parse_env(seen.env), target.env(seen))
    if names:
        detail = f"variables changed: {', '.join(names)}" if seen.env else "the file is gone"
        results.append(_drift("server", ".env", detail))
    results += _secrets(record)
    if record.edge and _edge_differs(seen, record):
        results.append(_drift("server", "haproxy.cfg", _edited(seen.edge)))
    elif seen.edge_is_behind:
        results.append(
            _drift("server", "haproxy.cfg", "the edge has not read the file that is there")
        )
    return results


def _edge_differs(seen: Observation, record: ReleaseRecord) -> bool:
    """Slots and maintenance change without a release; but the file must be as the note has it."""
    now, then = (without_slots(without_maintenance(text)) for text in (seen.edge, record.edge))
    return now != then or in_maintenance(seen.edge) != (seen.maintenance is not None)


def _secrets(record: ReleaseRecord) -> list[CheckResult]:
    secrets = secrets_edited(record)
    if not secrets:
        return []
    if not record.candidate.secrets_now:
        return [_drift("server", "secrets.env", "the file is gone")]
    return [_drift("server", FOR_A_PERSON, f"changed in secrets.env: {', '.join(secrets)}")]


def _edited(text: str) -> str:
    return "the file was edited" if text else "the file is gone"


def _revision(target: Target, seen: Observation) -> list[CheckResult]:
    """The database against the last line of the ledger that knows a revision."""
    database = target.stack.deploy.database
    recorded = seen.ledger.revision
    if database is None or recorded in (None, seen.revision):
        return []
    if not any(c.serving for c in seen.of(database.service)):
        return []
    detail = f"the database is at {seen.revision or 'no revision'}, the ledger says {recorded}"
    return [_drift(database.service, "revision", detail)]


def _ledger(seen: Observation) -> list[CheckResult]:
    broken = seen.ledger.broken_at()
    if broken is None:
        return []
    return [_drift("server", "ledger", f"line {broken} does not fit the one before")]
