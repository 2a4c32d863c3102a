"""Verification: what is checked of each service on its server, and what an answer means."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployments.compose.extension import Log, Probe
from deployments.environment.policy import Watch
from deployments.host.observation import Observation
from deployments.image_name import digest_of, short
from deployments.planning.target import Target

Question = tuple[str, str, tuple[str, ...]]
"""Name of the answer, service, command inside its container (empty: restart count)."""


@dataclass(frozen=True)
class CheckResult:
    """One check and how it came out. `detail` is short and holds no secret."""

    service: str
    check: str
    ok: bool
    detail: str


def questions(target: Target, *, settled: bool = True) -> list[Question]:
    """What is queried from inside, in one script.

    settled: also each restart count, once the service has been up for some seconds; a look
    at what has long been running compares the counts with an earlier look instead.
    """
    wanted: list[Question] = []
    for service, probe in probes(target):
        # What runs to its end is asked nothing: that it ended is all there is to know.
        if target.stack.services[service].runs_once:
            continue
        if settled:
            wanted.append((f"restarts:{service}", service, ()))
        if probe.exec and is_checked(target, service, "exec"):
            wanted.append((f"exec:{service}", service, probe.exec))
        if probe.connected and is_checked(target, service, "connected"):
            host = urlsplit(target.value(probe.connected)).hostname or ""
            wanted.append((f"hosts:{service}", service, ("getent", "ahosts", host)))
            wanted.append((f"tcp:{service}", service, ("cat", "/proc/net/tcp", "/proc/net/tcp6")))
    return wanted


def restart_questions(target: Target) -> list[Question]:
    """Those of `questions` that count how often each service was restarted."""
    return [asked for asked in questions(target) if not asked[2]]


def logs(target: Target) -> list[tuple[str, Log]]:
    """Services whose log is looked through, and for what."""
    return [
        (service, probe.log) for service, probe in probes(target)
        if probe.log and is_checked(target, service, "log")
    ]  # fmt: skip


def probes(target: Target) -> list[tuple[str, Probe]]:
    """What `x-deploy` says of each service's checks, but for services that are left out."""
    left_out = target.environment.verify.leave_out
    probes = target.stack.deploy.probes.items()
    return [(name, probe) for name, probe in probes if name not in left_out]


def is_checked(target: Target, service: str, probe: str) -> bool:
    """Whether the environment leaves a check of a service in."""
    return probe not in target.environment.verify.skip.get(service, ())


def check_containers(
    target: Target, seen: Observation, wanted: dict[str, str]
) -> list[CheckResult]:
    """Each service: one container, healthy, running the digest that is wanted."""
    findings = []
    for service, reference in wanted.items():
        if service in target.environment.verify.leave_out:
            continue
        running = seen.of(service)
        digest = digest_of(reference)
        if len(running) != 1:
            findings.append(
                CheckResult(service, "container", ok=False, detail=f"{len(running)} containers")
            )
            continue
        container = running[0]
        if target.stack.services[service].runs_once:
            ok, state = container.completed, f"{container.state} {container.exit_code}"
        else:
            ok, state = container.serving, f"{container.state} {container.health}".strip()
        findings.append(CheckResult(service, "container", ok, state))
        same = container.runs(digest)
        shown = short(digest) if same else f"runs {short(container.digest)}, not {short(digest)}"
        if target.stack.services[service].runs_once and ok and not same:
            # On the way back it does not run again.
            same, shown = True, f"ran for another release: {short(container.digest)}"
        findings.append(CheckResult(service, "digest", ok=same, detail=shown))
    return findings


def check_answers(
    target: Target, seen: Observation, answers: dict[str, str], *, settled: bool = True
) -> list[CheckResult]:
    """What the containers report of themselves."""
    findings = []
    for name, service, command in questions(target, settled=settled):
        kind = name.partition(":")[0]
        code, _, text = answers.get(name, "1 no answer").partition(" ")
        if kind == "restarts":
            findings.append(_restarts(service, seen, code, text))
        elif kind == "exec":
            last = text.strip().splitlines()[-1:] or ["ok" if code == "0" else f"exit code {code}"]
            findings.append(CheckResult(service, "own probe", ok=code == "0", detail=last[0][:200]))
        elif kind == "tcp":
            probe = target.stack.deploy.probes[service]
            url = target.value(probe.connected)
            hosts = answers.get(f"hosts:{service}", "")
            findings.append(_connected(service, url, hosts, text))
        del command
    for service, log in logs(target):
        code, _, text = answers.get(f"log:{service}", "1 no answer").partition(" ")
        detail = text.strip() or f"none of {', '.join(log.must_not)} in {log.seconds} s"
        findings.append(CheckResult(service, "log", ok=code == "0", detail=detail[:200]))
    return findings


def _restarts(service: str, seen: Observation, code: str, text: str) -> CheckResult:
    before = max((c.restarts for c in seen.of(service)), default=0)
    now = int(code) if code.isdigit() else -1
    ok = now == before and "running" in text
    detail = f"{now}, unchanged" if ok else f"{before} before, {now} now, {text.strip()}"
    return CheckResult(service, "restarts", ok, detail)


def _connected(service: str, url: str, hosts: str, table: str) -> CheckResult:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    addresses = set(re.findall(r"^(?:\d+ )?([0-9a-fA-F.:]+)\s", hosts, re.MULTILINE))
    peers = established(table)
    ok = any(p == port and a in addresses for a, p in peers)
    detail = f"{parts.hostname}:{port}" if ok else f"no open connection to {parts.hostname}:{port}"
    return CheckResult(service, "connected", ok, detail)


def established(table: str) -> set[tuple[str, int]]:
    """Peers of established connections in `/proc/net/tcp` and `tcp6`; mapped ones as IPv4."""
    row = re.compile(r"^\s*\d+: \S+ ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) 01 ", re.MULTILINE)
    return {(_address(match[1]), int(match[2], 16)) for match in row.finditer(table)}


def _address(raw: str) -> str:
    """The kernel writes each four bytes of an address as one number, lowest byte first."""
    words = [bytes.fromhex(raw[i : i + 8])[::-1] for i in range(0, len(raw), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def check_server(watch: Watch, seen: Observation, backup_seconds: int | None) -> list[CheckResult]:
    """Room and backups on the host, against the environment's `[watch]`."""
    results = [
        _room("disk", seen.disk_mb, watch.disk_mb), _room("memory", seen.memory_mb, watch.memory_mb)
    ]  # fmt: skip
    if watch.backup_hours == 0:
        return results
    if backup_seconds is None:
        return [
            *results,
            CheckResult("server", "backup", ok=False, detail="there is none in backups/"),
        ]
    hours = backup_seconds // 3600
    ok = backup_seconds <= watch.backup_hours * 3600
    detail = f"the newest is {hours} h old"
    limit = "" if ok else f", {watch.backup_hours} h are allowed"
    return [*results, CheckResult("server", "backup", ok, detail + limit)]


def _room(what: str, free: int, wanted: int) -> CheckResult:
    ok = free >= wanted
    detail = f"{free} MiB free" + ("" if ok else f", {wanted} are wanted")
    return CheckResult("server", what, ok, detail)


_AT_START = frozenset({"connected", "own probe", "log", "container"})
"""Checks that a service fails as long as it is still starting."""

PATIENCE = 20.0
"""Seconds in which any check that fails at first may still succeed."""


def seconds_left(
    target: Target, seen: Observation, findings: list[CheckResult], elapsed: float
) -> float:
    """Seconds in which failing checks may still pass: those of the one with the least time.

    A service that is starting has the time that a start has, from its container's start. elapsed:
    seconds since the first look.
    """
    seconds = []
    for finding in findings:
        if finding.ok:
            continue
        starting = _left_of_start(target, seen, finding.service)
        usual = PATIENCE - elapsed
        seconds.append(max(usual, starting) if finding.check in _AT_START else usual)
    return min(seconds, default=0.0)


def _left_of_start(target: Target, seen: Observation, service: str) -> float:
    """Seconds that its newest container still has to start in; negative when they are over."""
    ages = [age for c in seen.of(service) if (age := seen.age(c)) is not None]
    return target.environment.healthy_within_of(service) - min(ages) if ages else 0.0


QUIET = 5.0
"""Seconds that a log must stay without what it must not hold, once all else is well."""


def must_stay_quiet(target: Target, fresh: frozenset[str]) -> bool:
    """Whether a new container has a log that is checked: it holds little so far."""
    return any(service in fresh for service, _ in logs(target))


def silent(findings: list[CheckResult]) -> list[str]:
    """Services whose own output may show why they are not well."""
    return list(dict.fromkeys(f.service for f in findings if not f.ok and f.check != "digest"))


def failures(findings: list[CheckResult]) -> list[str]:
    """One line for each check that did not pass."""
    return [f"{f.service} {f.check}: {f.detail}" for f in findings if not f.ok]
