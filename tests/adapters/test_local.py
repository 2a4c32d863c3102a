"""Commands of this machine that hang or do not want to end."""

from __future__ import annotations

import ast
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from deployments.errors import HomeguruError, Interrupted, WrongUse
from infra.control.docker import Docker
from infra.control.settings import Settings, State
from infra.engine import client, daemon
from infra.machine import processes as local
from infra.machine import signals
from infra.machine.long_processes import run_long
from infra.run import squawk

STUBBORN = "trap '' TERM; sleep 60 & echo $! $$ > {pids}; echo begun; wait"


def _gone(pids: Path) -> bool:
    return not any(_alive(int(pid)) for pid in pids.read_text().split())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_interrupt_is_what_is_raised_though_the_command_does_not_want_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`TimeoutExpired` took its place, and the build went on."""
    monkeypatch.setattr(local, "GRACE", 0.5)
    pids = tmp_path / "pids"

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.stream("bash", "-c", STUBBORN.format(pids=pids), log=interrupt)
    _until(lambda: _gone(pids))


def test_a_build_that_says_nothing_for_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.5)
    monkeypatch.setattr(local, "SILENCE", 1)
    pids = tmp_path / "pids"
    with pytest.raises(HomeguruError, match="bash -c printed nothing for 1 s, and was ended"):
        local.stream("bash", "-c", STUBBORN.format(pids=pids), log=lambda _: None)
    _until(lambda: _gone(pids))


LEAVES_A_CHILD = "trap '' TERM; sleep 60 & echo $! > {pids}; echo begun"
"""The child keeps the output open, so that the command that has ended itself never seems to."""


@pytest.mark.parametrize("script", [STUBBORN, LEAVES_A_CHILD])
def test_a_command_that_does_not_end_takes_its_children_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.5)
    pids = tmp_path / "pids"
    with pytest.raises(HomeguruError, match="bash -c did not end within 1 s"):
        local.run("bash", "-c", script.format(pids=pids), timeout=1)
    _until(lambda: _gone(pids))


def test_what_a_command_prints_and_reads(tmp_path: Path) -> None:
    ended = local.run("bash", "-c", "cat; echo two >&2; exit 3", stdin="one")
    assert ended == local.Ended(3, "one", "two\n", b"one")
    lines: list[str] = []
    streamed = local.stream("bash", "-c", "echo one; echo; printf two >&2", log=lines.append)
    assert (lines, streamed) == (["one", "two"], local.Ended(0, "one\n\ntwo", ""))
    assert os.getpgid(0) == os.getpgrp()


def test_processes_are_started_in_one_place() -> None:
    """Time-outs, sessions of their own and the end of what they start are the same for all."""
    root = Path(__file__).parents[2] / "infra"
    found = [
        str(module.relative_to(root))
        for module in root.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in ("Popen", "check_output", "popen")
        )
        or (isinstance(node, ast.Import) and any(a.name == "subprocess" for a in node.names))
    ]
    assert set(found) == {"machine/processes.py"}


def test_what_a_command_that_ended_well_has_started_goes_on(tmp_path: Path) -> None:
    """A package's installation starts a daemon."""
    pids = tmp_path / "pids"
    run_long(["bash", "-c", f"sleep 60 & echo $! > {pids}"], "installing", print)
    assert not _gone(pids)
    os.kill(int(pids.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    "call",
    [
        lambda docker: client.docker("info"),
        lambda docker: daemon._output("docker", "info"),
        lambda docker: docker.run("info"),
        lambda _: squawk.lint("SELECT 1"),
    ],
)
def test_an_interrupt_is_no_failure_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call
) -> None:
    """It was taken for a time-out, and the work went on."""

    def interrupted(*_: object) -> None:
        raise Interrupted("stopped by Ctrl-C")

    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(Popen, "communicate", interrupted)
    with pytest.raises(Interrupted):
        call(Docker(State(tmp_path), Settings(), print))


def test_a_program_that_may_not_be_started_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(WrongUse, match="tool cannot be started: Permission denied"):
        local.run(str(tmp_path / "tool"))


AT_TERMINAL = """
import os, sys
from infra.machine import processes, signals
def leave(stopped):
    print(stopped, flush=True)
    os._exit(1)
signals.install(leave)
print("ended with", processes.at_terminal(["bash", "-c", sys.argv[1]]), flush=True)
"""


@pytest.mark.parametrize(
    ("sent", "to_all", "script", "code"),
    [
        (signal.SIGINT, True, "trap 'exit 7' INT; echo $$; while :; do sleep 0.05; done", 7),
        (signal.SIGTERM, False, "echo $$; exec sleep 60", 128 + signal.SIGTERM),
        (signal.SIGTERM, False, "trap 'exit 9' TERM; echo $$; while :; do sleep 0.05; done", 9),
    ],
)
def test_a_signal_is_the_command_s_at_the_terminal_and_so_is_the_exit_code(
    sent: signal.Signals, to_all: bool, script: str, code: int
) -> None:
    """It was told that the server was not contacted, and the command went on by itself."""
    words = [sys.executable, "-c", AT_TERMINAL, script]
    with Popen(words, stdout=PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        # A terminal sends Ctrl-C to all that is in front; a supervisor asks one process alone.
        (os.killpg if to_all else os.kill)(process.pid, sent)
        assert process.stdout.read() == f"ended with {code}\n"
    assert not _alive(child)


def test_a_command_at_the_terminal_that_is_not_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(WrongUse, match="no-such-program is not installed"):
        local.at_terminal(["no-such-program"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_before_the_command_runs_ends_it() -> None:
    ended: list[str] = []
    with signals.ending_on_sigterm() as child:
        signal.raise_signal(signal.SIGTERM)
        child.runs(lambda: ended.append("ended"))
    assert ended == ["ended"]
