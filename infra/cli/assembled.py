"""What a look at an environment begins with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from infra.machine.imports import importing

if TYPE_CHECKING:
    from infra.environment.context import Assembly


def assembled(env: str) -> Assembly:
    """An environment, read; meanwhile what looks at hosts is imported, which takes as long.

    To be called before `infra.look` is imported. Raises WrongUse as `assemble` does.
    """
    with importing(), ThreadPoolExecutor(1) as beside:
        from infra.environment.context import assemble

        reading = beside.submit(assemble, env)
        import infra.look.inspection  # noqa: F401

        return reading.result()
