"""release: from the checkout to what the environment serves, in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from deployments.errors import HomeguruError
from infra.cli.actions import summary, verbs
from infra.cli.actions.build import build, prepared, source
from infra.cli.actions.runner import Runner
from infra.cli.actions.scan import scan_release
from infra.cli.actions.server import server_of_secrets
from infra.environment import locate
from infra.orchestration.api.button import Say
from infra.publish.vulnerabilities import need_trivy

_URL, _AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
_KEY = "SSH_KEY"
REPORTER = "PREFECT_REPORTER_AUTH_STRING"


def release(runner: Runner, say: Say) -> None:
    """Publish and deploy: both here over SSH, or with a control plane the deploy there.

    Where [scan] has `fail_on`, what was published is scanned before it is deployed.
    """
    scanned = _is_scanned(runner)
    if _URL not in os.environ and not scanned:
        _prepare(runner, say)
        verbs.change(runner, "release", {"source": str(source(runner))}, say)
        return
    with _reached(runner), _as_reporter():
        published = build(runner, say)
        if scanned:
            scan_release(runner, published, say)
    verbs.change(runner, "deploy", {"release": published}, say)


@contextmanager
def _reached(runner: Runner) -> Iterator[None]:
    """The server, where this job knows it: it may keep the registry. The deploy needs its key again."""
    if _URL in os.environ:
        yield
        return
    key = os.environ.get(_KEY)
    with server_of_secrets(runner, runner.environment):
        yield
    if key is not None:
        os.environ[_KEY] = key


def _is_scanned(runner: Runner) -> bool:
    """Whether a release may be refused; trivy is asked for before anything is built."""
    try:
        if not locate.load(runner.environment).environment.scan.fail_on:
            return False
        need_trivy()
    except HomeguruError as error:
        runner.summary(summary.failed("release", runner.environment, error, ""))
        raise
    return True


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
        os.environ.pop(_URL, None)
    try:
        yield
    finally:
        os.environ.pop(_AUTH, None)
        os.environ.update(before)
