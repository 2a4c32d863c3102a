"""What every test session does: its memory, and which files one process runs."""

from __future__ import annotations

import gc

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

SHARING = {
    "tests/e2e/test_wrong_input.py": "tests/e2e/test_story.py",
    "tests/e2e/test_approval.py": "tests/e2e/test_actions.py",
    "tests/e2e/test_through_prefect.py": "tests/e2e/test_actions.py",
}
"""Files that run in the process of another one, since they use its server: each process makes its own."""


def pytest_configure() -> None:
    # What is imported stays for the whole session: to look for garbage in it, again and again,
    # took a second of each worker, and as long once more when it ended.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


class _Files(LoadFileScheduling):
    """A file's tests in one process, and those of files that share a server too."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return SHARING.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Only where files are kept together: other ways to distribute are xdist's own."""
    return _Files(config, log) if config.getvalue("dist") == "loadfile" else None
