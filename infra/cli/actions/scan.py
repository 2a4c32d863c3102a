"""scan: known vulnerabilities in the release that was built, before anything deploys it."""

from __future__ import annotations

from deployments.errors import HomeguruError
from infra.cli import scan as printed
from infra.cli.actions import summary
from infra.cli.actions.runner import Runner
from infra.environment.context import assemble
from infra.look.scan import scan_of
from infra.orchestration.api.button import Say


def scan(runner: Runner, say: Say) -> None:
    """Scan HOMEGURU_RELEASE; refused where it has what [scan] does not tolerate."""
    name = runner.environment
    try:
        scan_release(runner, runner.release("HOMEGURU_RELEASE", "newest"), say)
    except HomeguruError as error:
        runner.summary(summary.failed("scan", name, error, ""))
        raise


def scan_release(runner: Runner, release: str, say: Say) -> None:
    """Scan one release, and leave its table on the run's page."""
    found = scan_of(assemble(runner.environment), release, say)
    printed.shown(found)
    runner.summary(summary.scanned(found))
    found.check()
