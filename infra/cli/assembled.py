"""What a look at an environment begins with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.environment.context import Assembly


def assembled(env: str) -> Assembly:
    """An environment, read; meanwhile what looks at hosts is imported, which takes as long.

    To be called before `infra.look` is imported. Raises WrongUse as `assemble` does.
    """
    from infra.environment.context import assemble

    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(assemble, env)
        import infra.look.inspection  # noqa: F401

        return reading.result()
