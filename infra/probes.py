"""Asking a deployed application: over HTTP from here, by commands from inside."""

from __future__ import annotations

import socket
import ssl
import time

import httpx

from deployments import verification
from deployments.commands.probe import probe
from deployments.observation import Observation
from deployments.target import Target
from deployments.verification import Finding
from infra.host import Host

PATIENCE = 20.0
"""Seconds in which a probe that fails at first may still succeed: a bot's first poll."""

PAUSE = 0.5
"""Seconds between two looks of one verification."""


def verify(host: Host, target: Target, images: dict[str, str]) -> list[Finding]:
    """Ask everything that `x-deploy` and the environment say, until it is well or time is up."""
    deadline = time.monotonic() + PATIENCE
    while True:
        findings = _ask(host, target, images)
        if not verification.failures(findings) or time.monotonic() > deadline:
            return findings
        time.sleep(PAUSE)


def _ask(host: Host, target: Target, images: dict[str, str]) -> list[Finding]:
    seen = host.observe(target.stack)
    return [*verification.judge_containers(target, seen, images), *ask_more(host, target, seen)]


def ask_more(host: Host, target: Target, seen: Observation) -> list[Finding]:
    """The probes beyond what an observation already shows."""
    findings = outside(target)
    asked = verification.questions(target)
    if asked:
        answers = host.answers(probe(host.environment, asked))
        findings += verification.judge_answers(target, seen, answers)
    return findings


def outside(target: Target, transport: httpx.BaseTransport | None = None) -> list[Finding]:
    """HTTP from the deployer, without the deployer's proxies."""
    findings = []
    with httpx.Client(timeout=10, transport=transport, trust_env=False) as client:
        for request in verification.requests(target):
            begin = time.monotonic()
            try:
                status = client.get(request.url).status_code
                took = f"{(time.monotonic() - begin) * 1000:.0f} ms"
                ok, detail = request.accepts(status), f"{status} {request.url} in {took}"
                if not ok and request.status is not None:
                    detail += f", {request.status} is wanted"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                ok, detail = False, f"{type(error).__name__} {request.url}"
            findings.append(Finding(request.service, "outside", ok, detail))
    return findings


def certificates(target: Target) -> list[Finding]:
    """How long the certificates still are valid that the application's addresses show."""
    wanted = target.environment.watch.certificate_days
    found: dict[tuple[str, int], Finding] = {}
    for request in verification.requests(target) if wanted else []:
        url = httpx.URL(request.url)
        place = (url.host, url.port or 443)
        if url.scheme == "https" and place not in found and (days := _valid_days(*place)):
            found[place] = verification.judge_certificate(request, days, wanted)
    return list(found.values())


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
