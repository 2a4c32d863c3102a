"""What every test session does."""

from __future__ import annotations

import gc


def pytest_configure() -> None:
    # What is imported stays for the whole session: to look for garbage in it, again and again,
    # took a second of each worker, and as long once more when it ended.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
