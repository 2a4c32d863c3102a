"""Pull an image from Docker Hub, without waiting for minutes where there is no way to it."""

from __future__ import annotations

import selectors
import time
from subprocess import STDOUT, Popen

from deployments.errors import HomeguruError
from infra.machine.long_processes import Say
from infra.machine.processes import end, start
from infra.machine.waiting import TELL_EVERY

#: Seconds until the registry must have answered at all, and until everything is here.
FIRST_ANSWER, WHOLE = 20.0, 900.0
#: What the engine says when it is not the image's fault.
NO_WAY = (
    "no such host",
    "server misbehaving",
    "connection refused",
    "connection reset",
    "timeout",
    "timed out",
    "deadline exceeded",
    "request canceled",
    "network is unreachable",
    "no route to host",
    "proxyconnect",
    "certificate",
    "eof",
)


class PullFailed(HomeguruError):
    """An image could not be pulled; the text is the engine's reason in one line."""


class HubUnreachable(PullFailed):
    """Docker Hub does not answer, or answers nobody from here: other images would fail too."""


def pull(name: str, say: Say) -> None:
    """Pull `name`; raises HubUnreachable or PullFailed.

    Gives up after 20 s without a first answer, after 900 s in any case.
    """
    process = start(["docker", "pull", name], stderr=STDOUT)
    try:
        text = _watch(process, name, say)
    finally:
        if process.poll() is None:
            end(process)
        if process.stdout:
            process.stdout.close()
    if process.returncode:
        raise _failure(text)


def _watch(process: Popen[bytes], name: str, say: Say) -> str:
    """Collect the output until its end; raises HubUnreachable when it stays silent."""
    assert process.stdout is not None
    begin, last_report, text = time.monotonic(), 0.0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (spent := time.monotonic() - begin) < (WHOLE if text else FIRST_ANSWER):
            if selector.select(1.0):
                if not (piece := process.stdout.read1()):  # type: ignore[attr-defined]
                    process.wait()
                    return text.decode(errors="replace")
                text += piece
            if spent - last_report >= TELL_EVERY:
                last_report = spent
                say(f"pulling {name}: {spent:.0f} s")
    raise HubUnreachable("docker.io is unreachable")


def _failure(text: str) -> PullFailed:
    last = (text.strip().splitlines() or ["no reason given"])[-1]
    if "toomanyrequests" in last.lower():
        return HubUnreachable("docker.io allows no more pulls for now")
    if any(sign in last.lower() for sign in NO_WAY):
        return HubUnreachable("docker.io is unreachable")
    return PullFailed(last)
