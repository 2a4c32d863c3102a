"""Looks at several environments in one run: what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger, runtime

from deployments.errors import HomeguruError, Interrupted, StepFailed
from infra.orchestration.flow.tasks import log

SHOWN = 3
"""Names in a run's name; the run's parameters have all of them."""


def run_name() -> str:
    """The first few of the run's environments, and how many more."""
    names = list(runtime.flow_run.parameters["environments"])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"verify {', '.join(names[:SHOWN])}{more}"


class Several:
    """Keeps how each look ended, and ends the run by it."""

    def __init__(self) -> None:
        self._outcomes: dict[str, str] = {}
        self._failed: list[str] = []

    @contextmanager
    def one(self, environment: str) -> Iterator[None]:
        """Whatever ends this look ends no other one; an interrupt ends the run."""
        log(f"-- {environment}")
        try:
            yield
        except Interrupted:
            raise
        except HomeguruError as error:
            self._failed.append(environment)
            log(str(error))
        except Exception:
            self._failed.append(environment)
            get_run_logger().exception("the look at %s ended by a defect", environment)

    def done(self, environment: str, summary: dict[str, Any]) -> None:
        """Keep the summary of a look that ended well, or did not take place."""
        self._outcomes[environment] = str(summary["outcome"])

    def ended(self) -> dict[str, Any]:
        """The outcome of each; raises StepFailed when one is not well."""
        if self._failed:
            raise StepFailed(
                f"verification failed: {', '.join(self._failed)}",
                todo="the artifact health-NAME has the checks of each; homeguru verify --env NAME asks again",
            )
        return {"outcomes": self._outcomes}
