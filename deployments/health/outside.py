"""Verification from outside: what is requested as a user would, and what an answer means."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.health.verification import CheckResult, is_checked, probes
from deployments.planning.target import Target


@dataclass(frozen=True)
class ProbeRequest:
    """An HTTP request from the deployer."""

    service: str
    url: str
    status: int | None = None
    """The status that is wanted; None: any below 400, as the edge and Docker's checks take it."""

    def accepts(self, status: int) -> bool:
        return status < 400 if self.status is None else status == self.status


@dataclass(frozen=True)
class OutsideAnswer:
    """What came of it. status: None where nothing answered; `problem` names why."""

    request: ProbeRequest
    status: int | None = None
    milliseconds: float = 0
    from_edge: bool = False
    """Whether it is what the edge answers while maintenance is on."""
    problem: str = ""


def requests(target: Target) -> list[ProbeRequest]:
    """What is requested from outside."""
    found = []
    for service, probe in probes(target):
        outside = probe.outside
        if (
            outside
            and outside.url in target.environment.urls
            and is_checked(target, service, "outside")
        ):
            base = target.environment.urls[outside.url].rstrip("/")
            found.append(ProbeRequest(service, f"{base}{outside.path}", outside.status))
    return found


def check_outside(
    target: Target, answers: list[OutsideAnswer], *, maintenance: bool
) -> list[CheckResult]:
    """What answers from outside. maintenance: whether the edge is to answer for what is behind it."""
    routed = target.stack.deploy.routed if maintenance else set()
    return [
        _outside(a, maintenance=maintenance, by_edge=a.request.service in routed) for a in answers
    ]


def _outside(answer: OutsideAnswer, *, maintenance: bool, by_edge: bool) -> CheckResult:
    """by_edge: nobody but the edge may answer for this service now."""
    request = answer.request
    if answer.status is None:
        return CheckResult(
            request.service, "outside", ok=False, detail=f"{answer.problem} {request.url}"
        )
    detail = f"{answer.status} {request.url} in {answer.milliseconds:.0f} ms"
    ok = request.accepts(answer.status)
    if maintenance and answer.from_edge:
        ok, detail = True, f"{detail}, maintenance is on"
    elif by_edge:
        ok, detail = False, f"{detail}, and not by the edge, although maintenance is on"
    elif answer.from_edge:
        ok, detail = False, f"{detail}, the edge's page, although maintenance is off"
    elif not ok and request.status is not None:
        detail += f", {request.status} is wanted"
    return CheckResult(request.service, "outside", ok, detail)


def check_certificate(request: ProbeRequest, valid_days: float, wanted: int) -> CheckResult:
    """How long the certificate that a URL shows is still valid, against what is wanted."""
    days = int(valid_days)
    detail = f"valid for {days} days" if days != 1 else "valid for 1 day"
    ok = valid_days >= wanted
    return CheckResult(
        request.service, "certificate", ok, detail if ok else f"{detail}: {request.url}"
    )
