"""Publishing a source as one task run."""

from __future__ import annotations

from prefect import runtime

from deployments.manifest import Manifest
from infra import clone
from infra.assembly import Assembly, assemble
from infra.orchestration.artifacts import leave_images, leave_result, outcome
from infra.orchestration.tasks import as_task, log
from infra.orchestration.telling import Teller
from infra.orchestration.vault import Blocks
from infra.orchestration.who import current_actor
from infra.publishing import Publisher
from infra.source import opened


def publish_source(
    environment: str, source: str, ref: str, *, allow_dirty: bool, by: str
) -> Manifest:
    """Stage the source, build what changed, push, store the manifest."""
    with outcome(environment):
        assembly = as_task("read environment", lambda: assemble(environment, [Blocks(environment)]))
        teller, actor = Teller(assembly), current_actor(by)
        log(f"asked for by {actor.who}, from {actor.origin}")
        with teller.failure_of("publish", lambda: actor):
            manifest = as_task(
                "build and push", lambda: _published(assembly, source, ref, allow_dirty=allow_dirty)
            )
    leave_images(environment, manifest)
    leave_result(environment, manifest.model_dump())
    if runtime.flow_run.parent_flow_run_id is None:
        # A release goes on to its deploy, which has more to tell.
        teller.tell(lambda write: write.published(manifest, teller.by(actor)))
    return manifest


def _published(assembly: Assembly, source: str, ref: str, *, allow_dirty: bool) -> Manifest:
    with assembly.registry() as registry:
        publisher = Publisher(assembly.located, assembly.stack, registry, assembly.login(), log)
        publisher.check()
        with clone.local(source, ref, assembly.source_token()) as (folder, at):
            tree = opened(folder, at, allow_dirty=allow_dirty, say=log)
            return publisher.publish(tree, source if clone.is_url(source) else "")
