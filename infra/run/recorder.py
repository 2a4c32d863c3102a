"""What a run leaves behind on the host: a ledger line, a report, a closed journal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deployments.database.backups import Made
from deployments.errors import StepFailed
from deployments.health.verification import CheckResult
from deployments.history import journal
from deployments.history.ledger import Ledger, Line, Outcome, Revision, StepRecord, shortened
from deployments.history.step_kind import Kind, StepKey
from deployments.messages.report import Report, report_markdown
from deployments.planning.plan import Plan, Step
from deployments.shell import files
from deployments.shell.quote import Script, join
from deployments.verbs import traits
from infra.host.session import Host


def kept_database_note(database: str) -> str:
    """Where the rows are that an undo took out with the database it replaced."""
    return f"what was written meanwhile is in the database {database}"


@dataclass
class Recorder:
    """Collects how a run went and writes it down. Times in seconds."""

    host: Host
    findings: list[CheckResult] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    revision: Revision = field(default_factory=Revision)
    made: Made | None = None
    """The backup that this run made."""
    kept_database: str = ""
    """Name under which a database is kept that an undo replaced."""
    recorded: Report | None = None
    """How the run ended, once that was written down."""
    begun: bool = False
    """Whether a step was sent to the host: something may have changed."""
    opened: bool = False
    """Whether the host answered a step, and so has the run's first journal line."""
    _started: float = field(default_factory=time.monotonic)
    _began: str = field(default_factory=lambda: _utc())

    def note(self, step: Step, outcome: str, seconds: float) -> None:
        """Remember one step."""
        self.steps.append(StepRecord(
            step=step.name, outcome=outcome, seconds=round(seconds, 2), kind=step.kind,
            service=step.service, undoes=step.undoes,
        ))  # fmt: skip

    def changed_to(self, revision: str | None) -> None:
        """The database's revision from here on."""
        self.revision = self.revision.model_copy(update={"after": revision})

    def opening(self, release: str, request: str) -> str:
        """The run's first journal line, until the host has it for certain.

        request: what was asked for, where the release alone does not tell.

        Twice does no harm: the second begins the same run anew, before its first step.
        """
        if self.opened:
            return ""
        return journal.run_line(release, "begin", self.host.token, request)

    def closing(self, release: str, outcome: str) -> str:
        """The run's last journal line."""
        return journal.run_line(release, "end", self.host.token, outcome)

    def report(self, plan: Plan, outcome: Outcome, problem: str = "") -> Report:
        """The run as people read it."""
        environment, actor = self.host.environment, self.host.actor
        return Report(
            environment=environment.name, plan=plan, outcome=outcome, steps=tuple(self.steps),
            findings=tuple(self.findings), revision=self.revision, seconds=self.seconds,
            who=actor.who, run=actor.run, urls=dict(environment.urls), problem=problem,
            at=self._began, link=actor.link, approval=actor.approval, backup=self.backup,
            read=self.host.read_from,
        )  # fmt: skip

    @property
    def backup(self) -> str | None:
        """Its id."""
        return self.made.id if self.made else None

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._started, 2)

    def line(
        self, plan: Plan, outcome: Outcome, ledger: Ledger, run: str = "", problem: str = ""
    ) -> str:
        """The run's ledger line."""
        actor = self.host.actor
        return Line(
            seq=0 if traits(plan.verb).adopts and not ledger.raw else ledger.next_seq, at=_utc(),
            verb=plan.verb, manifest=plan.manifest, release=plan.release, previous=plan.previous,
            outcome=outcome, revision=self.revision, backup=self.backup, who=actor.who,
            origin=actor.origin, link=actor.link, account=actor.account, approval=actor.approval,
            run=run or actor.run, seconds=self.seconds,
            steps=tuple(self.steps), prev=ledger.tip, problem=shortened(problem),
            server=actor.server, reason=plan.reason,
        ).to_json()  # fmt: skip

    def record(
        self,
        plan: Plan,
        outcome: Outcome,
        ledger: Ledger,
        problem: str = "",
        *,
        current: bool = True,
    ) -> Report:
        """Write the ledger line and end the journal; a failed undo leaves it open.

        current: an `ok` makes the plan's release the current one.
        """
        report = self.report(plan, outcome, problem)
        settled = outcome != "failed"
        line = self.line(plan, outcome, ledger, problem=problem)
        script = self._recording(
            line, plan, ledger, becomes=outcome == "ok" and current, settled=settled
        )
        after = self.closing(plan.release, outcome) if settled else ""
        self._write(script, after, _kept(report, plan))
        self.recorded = report
        if outcome == "ok" and current and traits(plan.verb).names_release:
            self.host.names.released(plan.release)
        return report

    def _write(self, script: Script, after: str, report: Report | None = None) -> None:
        """Run a recording script; raises StepFailed with what the host said."""
        files = {"report.md": report_markdown(report)} if report else None
        output = self.host.work(StepKey("record"), script, "begin", after=after, files=files)
        if output.code != 0:
            raise StepFailed(
                f"record failed:\n{output.tail}",
                where=self.host.environment.ssh,
                todo="run the same command again; a deploy first ends or undoes what was begun",
            )

    def afterwards(self, kind: Kind, script: Script, release: str) -> None:
        """Do something after the run's end was recorded; its journal ends as it did."""
        step = StepKey(kind)
        output = self.host.work(step, script, "begin", after=self.closing(release, "ok"))
        if output.code != 0:
            # What was not done does not leave the run open.
            self.close_own(release)
            raise StepFailed(
                f"{step.name} failed:\n{output.tail}",
                where=self.host.environment.ssh,
                todo="the release serves; the next run does it again",
            )

    def after_undo(self, previous: str | None) -> str:
        """What the server runs after an undo, and what became of its database."""
        state = f"runs {previous} as before" if previous else "runs nothing, as before"
        if self.revision.after != self.revision.before:
            state += f"; the database stays at revision {self.revision.after}"
        return f"{state}; {kept_database_note(self.kept_database)}" if self.kept_database else state

    def close_own(self, release: str) -> None:
        """End the journal of a run that changed nothing: no ledger line."""
        # As its last line, by which a later look tells that it need not read the rest.
        self._write(Script("true\n"), self.closing(release, "ok"))

    def close_harmless(self, unfinished: journal.Unfinished) -> None:
        """End the journal of another run that changed nothing: no ledger line."""
        end = journal.run_line(unfinished.release, "end", self.host.token, "undone")
        own = self.closing(unfinished.release, "ok")
        self._write(files.close(unfinished.run, end), own)

    def close_other(
        self, unfinished: journal.Unfinished, plan: Plan, outcome: Outcome, ledger: Ledger,
        problem: str = "",
    ) -> Report:  # fmt: skip
        """One ledger line for a run that could not write its own; both journals end.

        outcome: `undone`, `ok` where the plan went on to the run's release, or `failed` where the
        way back ended with a problem and the run at work replaces what is left.
        """
        if outcome == "ok":
            # The run may have migrated before it died.
            self.revision = self.revision.model_copy(update={"before": ledger.revision})
        report = self.report(plan, outcome, problem)
        line = self.line(plan, outcome, ledger, run=unfinished.run, problem=problem)
        record = self._recording(line, plan, ledger, becomes=outcome == "ok")
        end = journal.run_line(plan.release, "end", self.host.token, outcome)
        close = files.close(unfinished.run, end)
        # Its own end as the last line, by which a later look tells that it need not read the rest.
        script = Script(join(record.text, close.text))
        self._write(script, self.closing(plan.release, outcome), _kept(report, plan))
        if outcome == "ok":
            self.host.names.released(plan.release)
        return report

    def _recording(
        self, line: str, plan: Plan, ledger: Ledger, *, becomes: bool, settled: bool = True
    ) -> Script:
        """Append a ledger line. becomes: the plan's release is the current one from here on."""
        return files.record(
            line, self.host.incoming, ledger.tip, plan.release if becomes else "", plan.release,
            settled=settled, environment=self.host.environment.name if becomes else "",
        )  # fmt: skip


def _kept(report: Report, plan: Plan) -> Report | None:
    """What the host keeps of the release tells of the run that brought it, and of no other one."""
    others = traits(plan.verb).switches_maintenance or plan.release == plan.previous
    return None if others else report


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
