"""release: from the checkout to what the environment serves, in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from deployments.errors import HomeguruError
from infra.cli.actions import summary, verbs
from infra.cli.actions.build import build, prepared, source
from infra.cli.actions.runner import Runner
from infra.orchestration.api.button import Say

_URL, _AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
REPORTER = "PREFECT_REPORTER_AUTH_STRING"


def release(runner: Runner, say: Say) -> None:
    """Publish and deploy: both here over SSH, or with a control plane the deploy there."""
    if _URL not in os.environ:
        _prepare(runner, say)
        verbs.change(runner, "release", {"source": str(source(runner))}, say)
        return
    with _as_reporter():
        published = build(runner, say)
    verbs.change(runner, "deploy", {"release": published}, say)


def _prepare(runner: Runner, say: Say) -> None:
    try:
        prepared(runner, say)
    except HomeguruError as error:
        runner.summary(summary.failed("release", runner.environment, error, ""))
        raise


@contextmanager
def _as_reporter() -> Iterator[None]:
    """A build is in the control plane's history by an account that starts nothing there."""
    before = {name: os.environ[name] for name in (_URL, _AUTH) if name in os.environ}
    if REPORTER in os.environ:
        os.environ[_AUTH] = os.environ[REPORTER]
    else:
        del os.environ[_URL]
    try:
        yield
    finally:
        os.environ.pop(_AUTH, None)
        os.environ.update(before)
