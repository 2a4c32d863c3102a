"""`homeguru actions ...`: what the workflows' steps call. Inputs are variables of the step."""

from __future__ import annotations

from collections.abc import Callable

import typer

from deployments.errors import HomeguruError
from infra.cli.actions.runner import Runner

app = typer.Typer(no_args_is_help=True, help="Steps of GitHub's workflows.")

Say = Callable[[str], None]


def _say(text: str) -> None:
    """A line of the job's log, at once: the runner shows lines as they come."""
    typer.echo(text)


def _step(work: Callable[[Runner, Say], object]) -> None:
    """One step; its error is shown on the run's page too."""
    runner = Runner.here()
    try:
        work(runner, _say)
    except HomeguruError as error:
        runner.annotate("error", str(error))
        raise


@app.command()
def build() -> None:
    """Publish the checkout: images, tags, manifest, the table of digests and sizes."""
    from infra.cli.actions.build import build as work

    _step(work)


@app.command()
def scan() -> None:
    """Refuse HOMEGURU_RELEASE where it has vulnerabilities that [scan] does not tolerate."""
    from infra.cli.actions.scan import scan as work

    _step(work)


@app.command()
def deploy() -> None:
    """Deploy HOMEGURU_RELEASE to HOMEGURU_ENVIRONMENT, or show the plan."""
    from infra.cli.actions.verbs import deploy as work

    _step(work)


@app.command()
def release() -> None:
    """Publish the checkout and deploy it to HOMEGURU_ENVIRONMENT."""
    from infra.cli.actions.release import release as work

    _step(work)


@app.command()
def rollback() -> None:
    """Bring HOMEGURU_RELEASE back, an earlier one; HOMEGURU_DATABASE: keep, downgrade, restore."""
    from infra.cli.actions.verbs import rollback as work

    _step(work)


@app.command()
def verify() -> None:
    """Look at what runs; change nothing."""
    from infra.cli.actions.verbs import verify as work

    _step(work)


@app.command()
def cancel() -> None:
    """After a cancelled job: end its run on the control plane."""
    from infra.cli.actions.verbs import stop as work

    _step(work)


@app.command(name="sync-secrets")
def sync_secrets() -> None:
    """Put the job's secrets into the control plane's Secret blocks, by name."""
    from infra.cli.actions.sync import sync_secrets as work

    _step(work)
