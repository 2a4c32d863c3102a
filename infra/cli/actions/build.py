"""build: our publish flow on the runner, and what a person reads of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from deployments.errors import HomeguruError, WrongUse
from deployments.release.manifest import Manifest
from infra.cli.actions import summary
from infra.cli.actions.builder import use_builder
from infra.cli.actions.runner import Runner
from infra.cli.actions.sizes import readable, size_of
from infra.cli.actions.trust import trust
from infra.cli.printing import Printing
from infra.cli.run import run
from infra.environment.context import Assembly, assemble
from infra.orchestration.api.button import Say
from infra.orchestration.api.client import PrefectApi

MANIFEST_FILE = "homeguru-release.json"


def build(runner: Runner, say: Say) -> str:
    """Build what changed, push it, store the manifest; outputs: release, digests, manifest, scan.

    Returns the release's name.
    """
    name, began = runner.environment, time.monotonic()
    try:
        assembly = prepared(runner, say)
        _history(runner)
        published = run(
            "publish", name, {"source": str(source(runner))}, printing=Printing(), here=True
        )
    except HomeguruError as error:
        runner.summary(summary.failed("build", name, error, ""))
        raise
    manifest = Manifest.model_validate(published)
    _leave(runner, assembly, manifest, time.monotonic() - began)
    return manifest.name


def prepared(runner: Runner, say: Say) -> Assembly:
    """The environment, and a builder that does what the runner can; warnings on the run's page."""
    trust(runner)
    assembly = assemble(runner.environment)
    _warn_of_another_owner(runner, assembly)
    use_builder(assembly.located.environment, say)
    return assembly


def _leave(runner: Runner, assembly: Assembly, manifest: Manifest, seconds: float) -> None:
    """Outputs, the manifest as a file, the table of images."""
    file = runner.temp / MANIFEST_FILE
    file.write_text(manifest.to_json() + "\n")
    built = {n: s for n, s in manifest.services.items() if s.built}
    runner.output("release", manifest.name)
    runner.output("digests", json.dumps({n: s.digest for n, s in built.items()}))
    runner.output("manifest", str(file))
    # What a later step asks before it installs trivy.
    runner.output("scan", str(bool(assembly.located.environment.scan.fail_on)).lower())
    host = assembly.located.environment.push_registry
    label = manifest.name.removeprefix(f"{assembly.located.environment.name}-")
    with assembly.registry() as registry:
        images = [
            {
                "image": f"{host}/{image.repository}", "tags": f"{label} latest",
                "digest": image.digest,
                "size": readable(size_of(registry, image.repository, image.digest)),
            }
            for image in built.values()
        ]  # fmt: skip
    runner.summary(summary.published(manifest.name, manifest.commit, images, seconds))


def source(runner: Runner) -> Path:
    """The application's checkout."""
    folder = runner.workspace / os.environ.get("HOMEGURU_SOURCE", ".")
    if not folder.is_dir():
        raise WrongUse(
            f"no checkout of the application: {folder}", state="untouched",
            todo="actions/checkout with this `path`, before",
        )  # fmt: skip
    return folder.resolve()


def _history(runner: Runner) -> None:
    """Report to the control plane where it answers; a build does not depend on it."""
    try:
        api = _reporter()
    except HomeguruError as error:
        _without_history(runner, error)
        return
    if api is None:
        return
    try:
        api.version()
    except HomeguruError as error:
        _without_history(runner, error)
    finally:
        api.close()


def _reporter() -> PrefectApi | None:
    url = os.environ.get("PREFECT_API_URL", "")
    return (
        PrefectApi(url, os.environ.get("PREFECT_API_AUTH_STRING", ""), patience=10) if url else None
    )


def _without_history(runner: Runner, error: HomeguruError) -> None:
    runner.annotate("warning", f"this build is not in the control plane's history: {error}")
    os.environ.pop("PREFECT_API_URL", None)


def _warn_of_another_owner(runner: Runner, assembly: Assembly) -> None:
    """GITHUB_TOKEN pushes to its own owner's packages only."""
    environment = assembly.located.environment
    owner = os.environ.get("GITHUB_REPOSITORY_OWNER", "").lower()
    image_owner = environment.repository.partition("/")[0]
    if owner and environment.push_registry == "ghcr.io" and image_owner != owner:
        runner.annotate(
            "warning",
            f"images go to ghcr.io/{image_owner}, this repository belongs to {owner}: change "
            f"`repository` in {assembly.located.file.name}, or give REGISTRY_USER and "
            "REGISTRY_TOKEN of an account that may push there",
        )
