"""One look at what runs: from outside, on the host, and against the ledger's release.

One connection and two scripts. What may only be passing is looked at again before it counts.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deployments.errors import HomeguruError, Locked, Refused, StepFailed, Unreachable, WrongUse
from deployments.health import drift, verification
from deployments.health.alerts import Memory, restarted
from deployments.health.outside import OutsideAnswer, check_outside
from deployments.health.secret_age import check_secrets
from deployments.health.verification import CheckResult, failures
from deployments.host.candidate import ReleaseRecord
from deployments.host.observation import Observation
from deployments.host.ownership import check_owner
from deployments.planning.preflight import check_engine
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE
from deployments.shell.probe import probe
from infra.host import probes
from infra.host.session import Host
from infra.host.targets import Targets
from infra.ssh.session_lock import describe_owner

AGAIN = (2.0, 4.0)
"""Seconds before the second and the third look at what may only be passing."""

PASSING = frozenset({"outside", "container", "own probe", "connected", "log", "ssh", "drift"})
"""Checks that a restart, or a network for a moment, fails."""


@dataclass(frozen=True)
class Look:
    """What was found. `seen` and `target` are None where the host could not be asked."""

    findings: tuple[CheckResult, ...]
    heals: bool = False
    """Whether deploying the current release again would take some of it back."""
    seen: Observation | None = None
    target: Target | None = None

    @property
    def well(self) -> bool:
        return not failures(list(self.findings))

    @property
    def restarts(self) -> dict[str, int]:
        """Restart count by container, for the next look."""
        return {c.id[:12]: c.restarts for c in self.seen.containers} if self.seen else {}


class Watcher:
    """Looks at one environment; changes nothing."""

    def __init__(self, host: Host, targets: Targets, memory: Memory) -> None:
        self._host, self._targets, self._memory = host, targets, memory
        self._environment = host.environment

    def look(self) -> Look:
        """Look until all is well, or until what is amiss has been so three times."""
        if not self._environment.host.host_keys:
            # Not set up: `open` refuses, and nothing is asked of the server from outside either.
            self._host.open()
        look = self._once()
        for pause in AGAIN:
            if not any(not f.ok and f.check in PASSING for f in look.findings):
                break
            time.sleep(pause)
            look = self._once()
        return look

    def _once(self) -> Look:
        with ThreadPoolExecutor(1) as pool:
            # The answers from outside arrive while the host is asked.
            outside = pool.submit(self._outside)
            try:
                inside = self._inside()
            except StepFailed as error:
                # A Docker that hangs, say: what was seen from outside counts all the same.
                check = "ssh" if isinstance(error, Unreachable) else "look"
                inside = self._unseen(error, check)
            answers, certificates = outside.result()
            checked = check_outside(
                self._targets.nothing(), answers,
                maintenance=inside.seen is not None and inside.seen.maintenance is not None,
            )  # fmt: skip
            return replace(inside, findings=(*checked, *certificates, *inside.findings))

    def _outside(self) -> tuple[list[OutsideAnswer], list[CheckResult]]:
        """What answers, and for how long its certificates are valid."""
        target = self._targets.nothing()
        return probes.outside(target), probes.certificates(target)

    def _inside(self) -> Look:
        try:
            self._host.open()
        except (Refused, WrongUse) as error:
            # Another key, or ours is not let in: nobody knows what runs there, so that it is a finding.
            return self._unseen(error)
        seen, record = self._host.look(self._targets.assembly.stack)
        try:
            check_engine(self._environment, seen)
        except Refused as error:
            return Look((CheckResult("server", "engine", ok=False, detail=error.what),))
        try:
            check_owner(self._environment, self._targets.assembly.stack, seen)
        except Refused as error:
            return Look((CheckResult("server", "project", ok=False, detail=error.what),))
        self._must_be_deployed(seen)
        target = self._recorded(seen, record)
        drifted = drift.find_drift(target, seen, record)
        results = [
            *verification.check_containers(target, seen, target.images(seen)),
            *self._answers(target, seen),
            *restarted(seen, self._memory),
            *verification.check_server(self._environment.watch, seen, record.backup_seconds),
            *check_secrets(self._environment.watch, seen, self._environment.name),
        ]
        findings = (*_causes(results), *_not_reported(drifted, results))
        return Look(findings, heals=drift.heals(drifted), seen=seen, target=target)

    def _unseen(self, error: HomeguruError, check: str = "ssh") -> Look:
        """What is known of a host that could not be asked; the next look connects anew."""
        self._host.close()
        return Look((CheckResult("server", check, ok=False, detail=error.what),))

    def _must_be_deployed(self, seen: Observation) -> None:
        where, name = self._environment.ssh, self._environment.name
        if seen.locked:
            raise Locked(
                f"deploy in progress: {describe_owner(seen.owner)}", where=where,
                state="being changed, so nothing was verified", todo="verify when it has ended",
            )  # fmt: skip
        if seen.current is None:
            raise Refused(
                "no release is deployed", where=where, state="untouched",
                todo=f"homeguru deploy newest --env {name}",
            )  # fmt: skip

    def _recorded(self, seen: Observation, record: ReleaseRecord) -> Target:
        if not (seen.manifest and record.compose_file):
            raise StepFailed(
                f"the host keeps no record of release {seen.current}", where=self._environment.ssh,
                state="as it is; what it should run is not known",
                todo=_deploy_again(seen.current, self._environment.name),
            )  # fmt: skip
        return self._targets.recorded(seen.manifest, record.compose_file, record.env, pin=True)

    def _answers(self, target: Target, seen: Observation) -> list[CheckResult]:
        questions = verification.questions(target, settled=False)
        logs = verification.logs(target)
        if not questions and not logs:
            return []
        answers = self._host.answers(probe(self._environment, questions, logs))
        return verification.check_answers(target, seen, answers, settled=False)


def _deploy_again(release: str | None, environment: str) -> str:
    """Without its manifest here `current` cannot be looked up; the registry has it by its name."""
    name = "newest" if release in (None, RELEASE) else release.partition("-")[2]
    return f"homeguru deploy {name} --env {environment}"


def _causes(results: list[CheckResult]) -> list[CheckResult]:
    """Without what only follows: a container that does not run answers nothing."""
    down = {f.service for f in results if not f.ok and f.check == "container"}
    dependent = ("own probe", "connected", "log")
    return [f for f in results if f.ok or f.service not in down or f.check not in dependent]


def _not_reported(drifted: list[CheckResult], results: list[CheckResult]) -> list[CheckResult]:
    """Drift without what a container's own check says already."""
    reported = {f.service for f in results if not f.ok and f.check in ("container", "digest")}
    return [f for f in drifted if not (f.check == "drift" and f.service in reported)]
