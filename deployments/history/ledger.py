"""The host's ledger: one canonical JSON line for each run that changed something."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, ValidationError, field_validator

from deployments.canonical import canonical
from deployments.errors import Refused
from deployments.fields import Frozen
from deployments.history.requester import Origin
from deployments.history.revisions import heads_of
from deployments.history.step_kind import StepKey, key_of_v1
from deployments.release.manifest import nearest
from deployments.verbs import traits

FIRST = "0" * 64
Outcome = Literal["ok", "undone", "failed"]


class StepRecord(Frozen):
    """One step of a run, as the ledger keeps it.

    step: its name, for people. kind: empty in lines of older versions. undoes: whether it was a
    step of the way back.
    """

    step: str
    outcome: str
    seconds: float
    kind: str = ""
    service: str = ""
    undoes: bool = False

    @property
    def key(self) -> StepKey:
        """Which step it was."""
        return StepKey(self.kind, self.service) if self.kind else key_of_v1(self.step)


class Revision(Frozen):
    """Database revision before and after; None when there is none."""

    before: str | None = None
    after: str | None = None

    @field_validator("before", "after")
    @classmethod
    def _in_order(cls, value: str | None) -> str | None:
        """Heads in order: a line of before may have them as the table had."""
        return ",".join(sorted(heads_of(value))) or None


class Approval(Frozen):
    """Who let a plan run. `account` is the gateway's, which proves it; empty: claimed."""

    who: str
    reason: str
    account: str = ""


class Line(Frozen):
    """One line of `releases.jsonl`.

    who, link: as claimed by the requester. account: the gateway's account that created the
    run, where the gateway's log proves it. problem: why it was undone or failed. server: the
    Prefect server that has the run; empty: none but the run's own process; None: not recorded.
    reason: why maintenance was switched; written where there is one, so that an older version can
    read every other line.
    """

    model_config = ConfigDict(extra="forbid")

    v: Literal[1] = 1
    seq: int
    at: str
    verb: str
    manifest: str
    release: str
    previous: str | None
    outcome: Outcome
    revision: Revision
    backup: str | None = None
    who: str
    origin: Origin
    link: str = ""
    account: str = ""
    approval: Approval | None = None
    run: str
    seconds: float
    steps: tuple[StepRecord, ...]
    prev: str
    problem: str = ""
    server: str | None = None
    reason: str = ""

    def became(self, current: str | None) -> bool:
        """Whether this run installed the release that is current; a migration does not."""
        return self.outcome == "ok" and traits(self.verb).names_release and self.release == current

    def to_json(self) -> str:
        """Sorted keys, no spaces, UTF-8: the bytes that the next line's hash covers."""
        return canonical(self.model_dump(exclude=None if self.reason else {"reason"}))


PROBLEM = 300
"""Characters of a failure that the ledger keeps; the release's report has all of it."""
_BEGINNING = 110
_MARKS = re.compile(r"(\S+ +\| )?[ ~^]+")
"""A line below another one, which shows where in it a traceback means."""


def shortened(problem: str) -> str:
    """What went wrong, on one line; the state and the advice with it were for that moment.

    Of a long one its beginning says what failed, and its end why: a traceback names the error last.
    """
    what = problem.partition("\nServer: ")[0].partition("\nNext: ")[0]
    lines = [line for line in what.splitlines() if not _MARKS.fullmatch(line)]
    text = " ".join(" ".join(lines).split())
    if len(text) <= PROBLEM:
        return text
    end = PROBLEM - _BEGINNING - 3
    return f"{text[:_BEGINNING]} … {text[-end:]}"


@dataclass(frozen=True)
class Ledger:
    """All lines of one host, oldest first."""

    raw: tuple[str, ...]

    @property
    def lines(self) -> list[Line]:
        """Every line; raises Refused for one that is torn, edited, or of a newer version."""
        return [_read(number, text) for number, text in enumerate(self.raw, start=1)]

    @property
    def next_seq(self) -> int:
        return _read(len(self.raw), self.raw[-1]).seq + 1 if self.raw else 1

    @property
    def tip(self) -> str:
        """SHA-256 of the last line without its newline; 64 zeros for an empty ledger."""
        return hashlib.sha256(self.raw[-1].encode()).hexdigest() if self.raw else FIRST

    @property
    def revision(self) -> str | None:
        """The database's, as the last run that knew one left it; None when none did."""
        revisions = [line.revision.after for line in self.lines if line.revision.after]
        return revisions[-1] if revisions else None

    def broken_at(self) -> int | None:
        """Number of the first line that is none or whose `prev` does not fit, counted from 1."""
        expected = FIRST
        for number, text in enumerate(self.raw, start=1):
            try:
                fits = json.loads(text)["prev"] == expected
            except (ValueError, KeyError, TypeError):
                fits = False
            if not fits:
                return number
            expected = hashlib.sha256(text.encode()).hexdigest()
        return None

    def good(self) -> list[Line]:
        """Lines of releases that were verified, oldest first, one a release."""
        latest = {
            line.release: line
            for line in self.lines
            if line.outcome == "ok" and not traits(line.verb).switches_maintenance
        }
        return sorted(latest.values(), key=lambda line: seq_of(line.release))

    def _before(self, release: str | None) -> str | None:
        """What ran before a release came: rolled back to and forward again, not the same twice."""
        came = [x for x in self.lines if x.release == release and x.outcome == "ok"]
        return came[0].previous if came else None

    def target(self, wanted: str, current: str | None, kept: tuple[str, ...] | None = None) -> Line:
        """The release that `rollback` means: `previous`, a release id or a manifest's name.

        kept: releases that the host still has a record of; None: not checked. Raises Refused
        when there is none, with the nearest names.
        """
        line = self._target(wanted, current)
        if kept is not None and line.release not in kept:
            left = [x for x in self.good() if x.release in kept and x.release != current]
            raise Refused(
                f"release {line.release} is no longer kept on this server",
                state=f"runs {current}, unchanged" if current else "runs no release of ours",
                todo=f"choose one that is: {_listed(left)}" if left
                else "deploy a published release instead",
            )  # fmt: skip
        return line

    def _target(self, wanted: str, current: str | None) -> Line:
        good = [line for line in self.good() if line.release != current]
        if wanted == "previous":
            before = self._before(current)
            earlier = [g for g in good if g.release == before]
            if earlier:
                return earlier[-1]
            raise Refused(
                "there is no earlier release to roll back to",
                state=f"runs {current}, unchanged" if current else "runs no release of ours",
                todo=_others(good) or "publish the commit that you want, and deploy it",
            )
        if current and wanted in names_of(current):
            raise Refused(
                f"release {wanted} is the one that runs",
                state=f"runs {current}, unchanged",
                todo=f"nothing to do; {_others(good) or 'there is no other one'}",
            )
        # Not the line's manifest: that of a migration is the one that it came with.
        matches = [g for g in good if wanted in names_of(g.release)]
        if matches:
            return matches[-1]
        similar = nearest(wanted, [g.release for g in good])
        raise Refused(
            f"there is no release {wanted!r} that was deployed and verified here",
            state=f"runs {current}, unchanged",
            todo=_others([g for g in good if g.release in similar]) or "deploy a release first",
        )


def _others(good: list[Line]) -> str:
    """The newest releases to choose from; empty where there is none."""
    return f"choose one of: {_listed(good)}" if good else ""


def _listed(good: list[Line]) -> str:
    """The newest of these lines' releases, newest first, each with its day."""
    return ", ".join(f"{line.release} ({line.at[:10]})" for line in reversed(good[-5:]))


def _read(number: int, text: str) -> Line:
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        version = _version(text)
    newer = isinstance(version, int) and version > 1
    problem = (
        f"is of version {version}, and this homeguru reads version 1"
        if newer
        else "is no line of a ledger"
    )
    raise Refused(
        f"line {number} of releases.jsonl {problem}", state="unchanged",
        todo="upgrade homeguru to the version that wrote it" if newer
        else "put the line back from a copy, such as `homeguru audit export --env NAME` made; if there "
        "is none, move the file aside: a deploy then begins a new one, and no rollback goes behind it",
    )  # fmt: skip


def _version(text: str) -> object:
    try:
        return json.loads(text).get("v")
    except (ValueError, AttributeError):
        return None


def names_of(release: str) -> tuple[str, ...]:
    """How people name a release: `12-prod-sha-0a1b...`, `12` or `prod-sha-0a1b...`."""
    return (release, *release.split("-", 1))


def seq_of(release: str) -> int:
    """`12-prod-sha-0a1b...` -> 12."""
    return int(release.partition("-")[0])
