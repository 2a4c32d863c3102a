"""Publishing a source as one task run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import runtime

from deployments.environment.sources import allowed, is_url
from deployments.release.manifest import Manifest
from infra.environment.context import Assembly, assemble
from infra.environment.freeze import frozen_now
from infra.host.actor import Actor, claimed
from infra.host.pull_ahead import PullAhead, pulling_ahead
from infra.orchestration.flow.artifacts import leave_images, leave_result, outcome
from infra.orchestration.flow.notifying import Notifier
from infra.orchestration.flow.tasks import as_task, log
from infra.orchestration.flow.vault import Blocks
from infra.orchestration.flow.who import current_actor
from infra.publish import clone
from infra.publish.manifests import keep_name
from infra.publish.publishing import Publisher
from infra.publish.signatures import signer
from infra.publish.source import opened


def publish_source(
    environment: str, source: str, ref: str, *, allow_dirty: bool, by: str
) -> Manifest:
    """Stage the source, build what changed, push, store the manifest."""
    with outcome(environment):
        assembly = as_task("read environment", lambda: _assembled(environment))
        notifier, actor = Notifier(assembly), current_actor(by)
        log(f"asked for by {actor.who}, from {actor.origin}")
        with notifier.failure_of("publish", lambda: actor):
            chosen = allowed(
                source, assembly.located.environment.sources, environment=environment,
                # Whoever sits at this machine has said so; a worker runs for nobody here.
                pressed=claimed() is None,
            )  # fmt: skip
            with _pulling(assembly, actor) as ahead:
                manifest = as_task(
                    "build and push",
                    lambda: _published(assembly, chosen, ref, ahead, allow_dirty=allow_dirty),
                )
    leave_images(environment, manifest)
    leave_result(environment, manifest.model_dump())
    if not _is_part_of_a_release():
        # A release goes on to its deploy, which has more to tell.
        notifier.send(lambda write: write.published(manifest, notifier.by(actor)))
    return manifest


def _assembled(environment: str) -> Assembly:
    assembly = assemble(environment, [Blocks(environment)])
    if _is_part_of_a_release():
        # Its deploy would refuse what is missing, after minutes of building.
        assembly.configuration()
    return assembly


def _is_part_of_a_release() -> bool:
    return runtime.flow_run.parent_flow_run_id is not None


@contextmanager
def _pulling(assembly: Assembly, actor: Actor) -> Iterator[PullAhead | None]:
    """The server pulls each image as soon as it is pushed, where a deploy follows without a question."""
    environment = assembly.located.environment
    if not _is_part_of_a_release() or environment.approval or frozen_now(environment):
        yield None
        return
    with pulling_ahead(assembly, actor) as ahead:
        yield ahead
    if ahead.pulled:
        log(f"the server has pulled {ahead.pulled} of the images already")
    if ahead.refusal:
        log(f"the deploy pulls what the server could not pull ahead of it: {ahead.refusal}")


def _published(
    assembly: Assembly, source: str, ref: str, ahead: PullAhead | None, *, allow_dirty: bool
) -> Manifest:
    pushed = ahead.pull if ahead else None
    signs = signer(assembly.located, assembly.secret_values, log)
    with assembly.registry() as registry:
        publisher = Publisher(
            assembly.located, assembly.stack, registry, assembly.login(), log, pushed, signs
        )
        publisher.check()
        with clone.local(source, ref, _access(assembly, source)) as (folder, at):
            compose_file = assembly.located.compose_file
            tree = opened(folder, at, allow_dirty=allow_dirty, say=log, compose_file=compose_file)
            manifest = publisher.publish(tree, source if is_url(source) else "")
            keep_name(assembly.located, manifest)
            return manifest


def _access(assembly: Assembly, source: str) -> clone.Access:
    """What the environment gives for a URL that it names; a URL of a person's own gets nothing."""
    environment = assembly.located.environment
    if source not in environment.sources:
        return clone.Access()
    token = assembly.source_token() if source.startswith("https://") else ""
    return clone.Access(token, assembly.located.source_key_file, environment.source_host_keys)
