"""Publishing a source as one task run."""

from __future__ import annotations

from deployments.manifest import Manifest
from infra import clone
from infra.assembly import assemble
from infra.orchestration.artifacts import leave_images, leave_result, outcome
from infra.orchestration.tasks import as_task, log
from infra.orchestration.vault import Blocks
from infra.publishing import Publisher
from infra.source import staged


def publish_source(
    environment: str, source: str, ref: str, *, allow_dirty: bool, by: str
) -> Manifest:
    """Stage the source, build what changed, push, store the manifest."""
    with outcome(environment):
        assembly = as_task("read environment", lambda: assemble(environment, [Blocks(environment)]))
        with assembly.registry() as registry:
            publisher = Publisher(assembly.located, assembly.stack, registry, assembly.login(), log)

            def publish() -> Manifest:
                ignores = publisher.dockerignores()
                with (
                    clone.local(source, ref, assembly.source_token()) as (folder, at),
                    staged(
                        folder, at, ignores, allow_dirty=allow_dirty, say=log,
                        origin=source if clone.is_url(source) else "",
                    ) as tree,
                ):  # fmt: skip
                    return publisher.publish(tree)

            if by:
                log(f"asked for by {by}")
            manifest = as_task("build and push", publish)
    leave_images(environment, manifest)
    leave_result(environment, manifest.model_dump())
    return manifest
