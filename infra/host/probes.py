"""Asking a deployed application: over HTTP from here, by commands from inside."""

from __future__ import annotations

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployments.health import verification
from deployments.health.outside import OutsideAnswer, check_certificate, check_outside, requests
from deployments.health.verification import CheckResult
from deployments.host.edge_answers import HEADER
from deployments.host.observation import Observation
from deployments.planning.target import Target
from deployments.shell import probe
from infra.host.session import Host

if TYPE_CHECKING:
    import httpx

PAUSE = 0.5
"""Seconds between two looks of one verification."""


def verify(
    host: Host, target: Target, images: dict[str, str], fresh: frozenset[str] = frozenset(),
    fresh_since: float | None = None,
) -> list[CheckResult]:  # fmt: skip
    """Ask everything that `x-deploy` and the environment say, until it is well or time is up.

    fresh: services whose containers are new. fresh_since: when the last of them was ready, on
    this process's monotonic clock; just now without it.
    """
    begin = time.monotonic()
    quiet = verification.QUIET if verification.must_stay_quiet(target, fresh) else 0.0
    quiet_since: float | None = begin if fresh_since is None else fresh_since
    last_logged: list[str] = []
    while True:
        look = _look(host, target)
        findings = look.findings(target, images)
        now = time.monotonic()
        failed = verification.failures(findings)
        if not failed:
            quiet_since = now if quiet_since is None else quiet_since
            # What is wrong may show in a log only some seconds after the first look at it.
            if now - quiet_since >= quiet:
                return findings
            time.sleep(quiet - (now - quiet_since))
            findings = look.once_more(host, target).findings(target, images)
            if not verification.failures(findings):
                return findings
            quiet_since = None
            continue
        quiet_since = None
        if verification.seconds_left(target, look.seen, findings, now - begin) <= 0:
            return findings
        if now - begin > verification.PATIENCE and failed != last_logged:
            host.log(f"not yet: {'; '.join(failed)}")
            last_logged = failed
        time.sleep(PAUSE)


@dataclass(frozen=True)
class _Answers:
    """What one look from everywhere has found."""

    seen: Observation
    outside: list[OutsideAnswer]
    inside: dict[str, str]

    def findings(self, target: Target, images: dict[str, str]) -> list[CheckResult]:
        """What these answers say of the release."""
        return [*verification.check_containers(target, self.seen, images), *self.probed(target)]

    def probed(self, target: Target) -> list[CheckResult]:
        """What they say beyond what an observation already shows."""
        maintenance = self.seen.maintenance is not None
        return [
            *check_outside(target, self.outside, maintenance=maintenance),
            *verification.check_answers(target, self.seen, self.inside),
        ]

    def once_more(self, host: Host, target: Target) -> _Answers:
        """Logs and restarts anew: the rest was well a moment ago, and takes longer to ask."""
        counted = verification.restart_questions(target)
        script = probe.probe(host.environment, counted, verification.logs(target))
        return replace(self, inside={**self.inside, **host.answers(script)})


def _look(host: Host, target: Target) -> _Answers:
    """One look from everywhere at the same time."""
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(_ask, host, target)
        seen = host.observe(target.stack)
        return _Answers(seen, *asked.result())


def ask_more(host: Host, target: Target, seen: Observation) -> list[CheckResult]:
    """The probes beyond what an observation already shows."""
    return _Answers(seen, *_ask(host, target)).probed(target)


def _ask(host: Host, target: Target) -> tuple[list[OutsideAnswer], dict[str, str]]:
    """What answers from outside, and what containers say, section by section."""
    questions, logs = verification.questions(target), verification.logs(target)
    if not (questions or logs):
        return outside(target), {}
    with ThreadPoolExecutor(1) as beside:
        found_outside = beside.submit(outside, target)
        answers = host.answers(probe.probe(host.environment, questions, logs))
        return found_outside.result(), answers


def last_words(host: Host, findings: list[CheckResult]) -> str:
    """The last lines of services that are not well, each under its name; empty when all are."""
    services = verification.silent(findings)
    if not services:
        return ""
    answers = host.answers(probe.last_words(host.environment, services))
    lines = [
        f"  {service} | {line}"
        for service in services
        for line in answers.get(f"last:{service}", "").splitlines()
    ]
    return "; last lines:\n" + "\n".join(lines) if lines else ""


def outside(target: Target, transport: httpx.BaseTransport | None = None) -> list[OutsideAnswer]:
    """HTTP from the deployer, without the deployer's proxies."""
    import httpx

    answers = []
    with httpx.Client(timeout=10, transport=transport, trust_env=False) as client:
        for request in requests(target):
            begin = time.monotonic()
            try:
                found = client.get(request.url)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                answers.append(OutsideAnswer(request, problem=type(error).__name__))
                continue
            took = (time.monotonic() - begin) * 1000
            by_edge = found.status_code == 503 and HEADER in found.headers
            answers.append(OutsideAnswer(request, found.status_code, took, by_edge))
    return answers


def certificates(target: Target) -> list[CheckResult]:
    """How long the certificates still are valid that the application's addresses show."""
    import httpx

    wanted = target.environment.watch.certificate_days
    results: dict[tuple[str, int], CheckResult] = {}
    for request in requests(target) if wanted else []:
        url = httpx.URL(request.url)
        place = (url.host, url.port or 443)
        if url.scheme == "https" and place not in results and (days := _valid_days(*place)):
            results[place] = check_certificate(request, days, wanted)
    return list(results.values())


def _valid_days(host: str, port: int) -> float | None:
    """Days until the certificate ends; None when it cannot be had, which `outside` tells."""
    try:
        with (
            socket.create_connection((host, port), timeout=10) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as shown,
        ):
            certificate = shown.getpeercert() or {}
    except OSError:
        return None
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return (ends - time.time()) / 86_400
