"""Observation against target: which services differ, and why."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from deployments import image_name
from deployments.compose.env_file import parse_env
from deployments.compose.stack import Service
from deployments.compose.variables import changed_names
from deployments.errors import Refused
from deployments.host.candidate import Candidate
from deployments.host.containers import Container
from deployments.host.observation import Observation
from deployments.image_name import digest_of, short
from deployments.planning.differences import Difference, Side, difference
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE
from deployments.verbs import traits


@dataclass(frozen=True)
class Change:
    """A service that must be replaced, and the reason a person reads."""

    service: Service
    image: str
    reason: str
    new_image: bool
    first: bool
    before: str = ""
    """Reference of the image that runs now."""
    difference: Difference = field(default_factory=Difference)
    """What differs besides the image."""

    @property
    def details(self) -> tuple[str, ...]:
        """What differs besides the reason."""
        return tuple(words for words in self.difference.words if words not in self.reason)

    def to_dict(self) -> dict[str, object]:
        """Everything that differs, for programs."""
        return {
            "service": self.service.name, "reason": self.reason,
            "image": {"before": self.before, "after": self.image, "new": self.new_image},
            **self.difference.to_dict(),
        }  # fmt: skip


def changes(
    target: Target, seen: Observation, candidate: Candidate, *, back: bool = False
) -> list[Change]:
    """All services that differ, in the order of replacement.

    back: on the way to what ran before, where nothing that runs to its end does so again.
    """
    images = target.images(seen)
    once = {s.name for s in target.stack.ordered if s.runs_once and _has_run(s, target, seen, back)}
    due = []
    for service in target.stack.ordered:
        if service.name in once:
            continue
        running = seen.of(service.name)
        differs = _difference(service, target, seen, candidate) if running else Difference()
        reason = _reason(service, images[service.name], seen, candidate, differs)
        if reason:
            wanted = digest_of(images[service.name])
            new = not any(c.runs(wanted) for c in running)
            before = running[0].ref if running else ""
            change = Change(
                service, images[service.name], reason, new_image=new, first=not running,
                before=before, difference=differs,
            )  # fmt: skip
            due.append(change)
    return _with_those_waited_for(target, images, due, once)


def _has_run(service: Service, target: Target, seen: Observation, back: bool) -> bool:
    """Whether what runs to its end did so for the target already, before that of another release.

    Once more it would meet what came since, such as a schema that an earlier migration does not know.
    """
    there = seen.of(service.name)
    if len(there) != 1 or not there[0].completed:
        return False
    wanted = digest_of(target.images(seen)[service.name])
    return back or (not there[0].runs(wanted) and target.manifest.name in _released(seen))


def _released(seen: Observation) -> set[str]:
    """Manifests of releases that were well; none where the ledger cannot be read."""
    with suppress(Refused):
        lines = [line for line in seen.ledger.lines if line.outcome == "ok"]
        return {line.manifest for line in lines if traits(line.verb).names_release}
    return set()


def _with_those_waited_for(
    target: Target, images: dict[str, str], direct: list[Change], once: set[str]
) -> list[Change]:
    """The changes, and what must run once more before them, as Compose runs it at each start.

    once: services that have run for the target.
    """
    changed = {c.service.name for c in direct}
    repeated = [
        Change(
            s, images[s.name], f"{' and '.join(waiting)} waits for its end", new_image=False,
            first=False,
        )
        for s in target.stack.ordered
        if s.runs_once and s.name not in changed | once
        and (waiting := [n for n in target.stack.waits_for(s.name) if n in changed])
    ]  # fmt: skip
    place = target.stack.place
    return sorted([*direct, *repeated], key=lambda c: place[c.service.name])


def _reason(
    service: Service, image: str, seen: Observation, candidate: Candidate, differs: Difference
) -> str:
    running = seen.of(service.name)
    if not running:
        return "not there yet"
    if len(running) > 1:
        return f"{len(running)} containers, left by a replacement that did not end"
    container = running[0]
    if not container.runs(digest_of(image)):
        return f"image {_from_to(container, image)}"
    if service.runs_once and not container.completed:
        return f"its container {_end(container)}"
    if not service.runs_once and not container.serving:
        return f"its container is {_state(container)}"
    if candidate.same(service.name, container.config_hash):
        return ""
    reason = "; ".join(differs.words) or "its definition in the Compose file changed"
    if moved := _moved(container, image):
        return f"the same image from {moved[1]}, before from {moved[0]}; {reason}"
    return reason


def _from_to(container: Container, image: str) -> str:
    """Both digests, with registry and repository where these differ: a digest alone hides them."""
    before, after = short(container.digest), short(digest_of(image))
    if moved := _moved(container, image):
        return f"{moved[0]}@{before} -> {moved[1]}@{after}"
    return f"{before} -> {after}"


def _moved(container: Container, image: str) -> tuple[str, str] | None:
    """Registry and repository before and after; None where they are the same, or it came from none."""
    reference = container.ref if "@" in container.ref else next(iter(container.digests), "")
    places = image_name.place(reference), image_name.place(image)
    return places if reference and places[0] != places[1] else None


def _difference(
    service: Service, target: Target, seen: Observation, candidate: Candidate
) -> Difference:
    """What differs besides the image. Without the file of before, by values alone.

    Nothing is known of what ran before the first release of ours.
    """
    if seen.current in (None, RELEASE):
        return Difference()
    old = candidate.before or target.stack
    project = target.environment.project
    then = {**target.env(seen), **candidate.secrets_then}
    before = Side(old, {**parse_env(seen.env), **candidate.secrets_now}, project)
    secrets = candidate.secrets_now.keys() | candidate.secrets_then.keys()
    return difference(service.name, before, Side(target.stack, then, project), set(secrets))


def unused_changes(
    target: Target, seen: Observation, candidate: Candidate, due: list[Change]
) -> list[str]:
    """Variables and secrets that differ and are named by no change, such as the migration's."""
    if seen.current in (None, RELEASE):
        return []
    variables = changed_names(parse_env(seen.env), target.env(seen))
    secrets = changed_names(candidate.secrets_now, candidate.secrets_then)
    explained = target.stack.image_variables.union(*(c.difference.names for c in due))
    return [name for name in sorted({*variables, *secrets}) if name not in explained]


def migration_due(target: Target, seen: Observation) -> bool:
    """Whether the migrating image is another one than runs now, or the database is not its own.

    So it is when it was never migrated, or is not at the revision that the ledger left it at.
    """
    migrate = target.stack.deploy.migrate
    if migrate is None:
        return False
    wanted = digest_of(target.images(seen)[migrate.image_of])
    if seen.revision is None or seen.ledger.revision not in (None, seen.revision):
        return True
    return not any(c.runs(wanted) for c in seen.of(migrate.image_of))


def secrets_changed(candidate: Candidate) -> list[str]:
    """Names of secrets whose value differs from the installed one."""
    return changed_names(candidate.secrets_now, candidate.secrets_then)


def _end(container: Container) -> str:
    if container.state == "exited":
        return f"ended with exit code {container.exit_code}"
    return f"is {container.state} and has not ended"


def _state(container: Container) -> str:
    return container.health if container.state == "running" else container.state
