"""Where results are kept, and the table at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, git
from tests.e2e.faults.cells import read, table


def results_file() -> Path:
    """Results of this commit."""
    commit = git(ROOT, "rev-parse", "--short=12", "HEAD")
    return ROOT / ".state" / "faults" / f"{commit}.jsonl"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Boundaries by faults; printed by the process that the workers report to."""
    if results := read(results_file()):
        text = table(results)
        results_file().with_suffix(".txt").write_text(text + "\n")
        terminalreporter.section("faults")
        terminalreporter.write_line(text)
