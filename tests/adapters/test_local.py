"""Commands of this machine that hang or do not want to end."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.errors import HomeguruError
from infra.machine import processes as local

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


def test_a_command_that_does_not_end_takes_its_children_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.5)
    pids = tmp_path / "pids"
    with pytest.raises(HomeguruError, match="bash -c did not end within 1 s"):
        local.run("bash", "-c", STUBBORN.format(pids=pids), timeout=1)
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
