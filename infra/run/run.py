"""One run on one environment: what its parts know of it, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from deployments.history.ledger import Approval
from deployments.host.observation import Observation
from infra.host.session import Host
from infra.run.recorder import Recorder


@dataclass
class Run:
    """Who asks is the host's actor; what was asked, what was seen and what is left stand here.

    request: what was asked for, where the release alone does not tell; for the journal.
    ended: what killed runs had been asked for that this one brought to their end.
    """

    host: Host
    recorder: Recorder
    request: str = ""
    ended: set[str] = field(default_factory=set)
    _seen: Observation | None = None

    @property
    def seen(self) -> Observation:
        """The last observation of the host; a run begins with one."""
        assert self._seen is not None, "a run observes its host first"
        return self._seen

    @property
    def ended_already(self) -> bool:
        """Whether a killed run, which this one has ended, was for exactly what this one is for."""
        return self.request in self.ended

    def saw(self, seen: Observation) -> None:
        """Keep an observation."""
        self._seen = seen

    def approve(self, approval: Approval) -> None:
        """Keep who let the plan run: ledger and report say it."""
        self.host.actor = replace(self.host.actor, approval=approval)

    def record_anew(self) -> None:
        """After an earlier run was settled: what follows is this one's own."""
        self.recorder = Recorder(self.host)
