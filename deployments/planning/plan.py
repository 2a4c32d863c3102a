"""A plan: the list of steps from what was seen to what is wanted."""

from __future__ import annotations

import hashlib
import json
import textwrap
from dataclasses import KW_ONLY, dataclass

from deployments.errors import Refused
from deployments.history.ledger import Ledger
from deployments.history.step_kind import Kind, StepKey
from deployments.host.script_results import ResultKind
from deployments.image_name import short
from deployments.planning.changes import Change
from deployments.release.adopted_record import NAME
from deployments.shell.quote import Script
from deployments.verbs import Verb, traits


@dataclass(frozen=True)
class Step:
    """One thing to do, with the reason a person reads. A subclass says how it is done.

    service: the one that it is about, where it is about one.
    about: a figure that changes from look to look, so not a part of what is approved.
    details: what else differs for its service, a phrase each.
    undoes: it is a step of the way back that a failed run takes.
    """

    kind: Kind
    reason: str
    _: KW_ONLY
    service: str = ""
    about: str = ""
    details: tuple[str, ...] = ()
    undoes: bool = False

    @property
    def key(self) -> StepKey:
        """What the journal and the ledger keep of it."""
        return StepKey(self.kind, self.service)

    @property
    def name(self) -> str:
        """For people."""
        return f"undo: {self.key.name}" if self.undoes else self.key.name

    @property
    def repeatable(self) -> bool:
        """A second attempt after a lost answer is safe."""
        return self.key.traits.repeatable


@dataclass(frozen=True, kw_only=True)
class ScriptStep(Step):
    """Runs a script on the host, under the work lock.

    results: kinds of results that the script may give; any other one of it is not believed.
    pulls: references of the images that it pulls where they are missing.
    """

    script: Script
    results: tuple[ResultKind, ...] = ()
    pulls: tuple[str, ...] = ()


@dataclass(frozen=True)
class VerifyStep(Step):
    """Checks the application, from outside and from inside."""


@dataclass(frozen=True, kw_only=True)
class WatchStep(Step):
    """Checks it again and again; a crash meanwhile is a failure."""

    seconds: int


@dataclass(frozen=True)
class Plan:
    """Steps in order. An empty plan touches nothing."""

    verb: Verb
    release: str
    manifest: str
    previous: str | None
    steps: tuple[Step, ...]
    unchanged: tuple[tuple[str, str], ...] = ()
    """Service and digest of what stays as it is."""
    notes: tuple[str, ...] = ()
    images: tuple[tuple[str, str], ...] = ()
    """Service and image reference, of all."""
    before: tuple[tuple[str, str], ...] = ()
    """Service and the digest that ran when the plan was made."""
    asks: tuple[str, ...] = ()
    """What somebody must approve by name and reason, whatever the environment says."""
    changes: tuple[Change, ...] = ()
    """What differs, by service."""
    content: str = ""
    """Hash of the Compose file, the variables and the fingerprints of the secrets that it installs."""
    incoming: str = ""
    """Where this run's files lie; another run of the same plan has another place."""
    reason: str = ""
    """Why, in the words of whoever asked, where the verb takes them."""

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def nothing(self) -> str:
        """What a plan without steps says."""
        if traits(self.verb).switches_maintenance:
            return "Nothing to do: the edge already answers as wanted."
        return "Nothing to do: the environment already runs this release."

    def again(self, environment: str) -> str:
        """The command that requests the same again, by name: `newest` may be another by then."""
        verb = traits(self.verb)
        if verb.returns:
            return f"homeguru rollback {self.release} --env {environment}"
        if (verb.goes_on or verb.heals) and self.manifest != NAME:
            return f"homeguru deploy {self.manifest} --env {environment}"
        return "run the same command again"

    @property
    def script_steps(self) -> list[ScriptStep]:
        """Those of its steps that run a script on the host."""
        return [step for step in self.steps if isinstance(step, ScriptStep)]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits; equal plans have equal ones."""
        scripts = [s.script.text if isinstance(s, ScriptStep) else "" for s in self.steps]
        if self.incoming:
            scripts = [text.replace(self.incoming, "@INCOMING@") for text in scripts]
        steps = [(s.name, s.reason, text) for s, text in zip(self.steps, scripts, strict=True)]
        differs = [change.to_dict() for change in self.changes]
        serialized = json.dumps([steps, differs, self.notes, self.content if self.steps else ""])
        return hashlib.sha256(serialized.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, object]:
        """Stable keys for `plan --json` and for the copy on the host."""
        return {
            "v": 1,
            "verb": self.verb,
            "release": self.release,
            "manifest": self.manifest,
            "previous": self.previous,
            "changed": self.changed,
            "fingerprint": self.fingerprint,
            "steps": [
                {"step": s.name, "kind": s.kind, "service": s.service, "reason": s.reason}
                for s in self.steps
            ],
            "changes": [change.to_dict() for change in self.changes],
            "unchanged": [{"service": n, "digest": d} for n, d in self.unchanged],
            "notes": list(self.notes),
            "asks": list(self.asks),
        }

    @property
    def way(self) -> list[tuple[str, str]]:
        """A row for people: which release gives way to which. None where it stays, or is the first."""
        brings = self.changed and traits(self.verb).replaces_release
        if not brings or self.previous in (None, self.release):
            return []
        return [("release", f"{self.previous} -> {self.release}")]

    def lines(self) -> list[tuple[str, str]]:
        """Two columns for people: what, and why."""
        rows = []
        for step in self.steps:
            reason = f"{step.reason}, {step.about}" if step.about else step.reason
            wrapped = [line for text in (reason, *step.details) for line in _wrapped(text)]
            rows += [(step.name if n == 0 else "", line) for n, line in enumerate(wrapped)]
        rows += [(name, f"unchanged, {short(digest)}") for name, digest in self.unchanged]
        rows += [("note", note) for note in self.notes]
        return rows + [("needs approval", why) for why in self.asks]


WIDTH = 74
"""Columns of what is said of a step: with its name, a table of less than 100."""


def _wrapped(text: str) -> list[str]:
    """Lines that fit a terminal; a digest or an address stays whole."""
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines or [text]


def how_it_ended(ledger: Ledger, manifest: str) -> list[str]:
    """A note, where the last run that was to bring this release did not end well."""
    try:
        runs = [n for n in ledger.lines if n.manifest == manifest and traits(n.verb).names_release]
    except Refused:
        return []
    if not runs or runs[-1].outcome == "ok":
        return []
    why = f": {runs[-1].problem}" if runs[-1].problem else ""
    return [f"this release was {runs[-1].outcome} on {runs[-1].at[:10]}{why}"]


def notes_for(
    changes: list[Change], pauses: dict[str, str], state: set[str], bounds: dict[str, str]
) -> tuple[str, ...]:
    """What a plan costs the people who use the service. pauses: who is not started first, and why."""
    replaced = [change.service.name for change in changes if not change.first]
    notes = [f"{n} is recreated: it is away while it restarts" for n in replaced if n in state]
    notes += [
        f"{n} is replaced stop-first and pauses: {pauses[n]}" for n in replaced if n in pauses
    ]
    for bound in dict.fromkeys(bounds[n] for n in replaced if n in bounds):
        cut = [n for n in replaced if bounds.get(n) == bound]
        notes.append(f"connections to the old {' and '.join(cut)} still open after {bound} are cut")
    return tuple(notes)
