"""Scanning the images of a release for known vulnerabilities."""

from __future__ import annotations

from collections.abc import Callable

from deployments.planning.target import running_reference
from deployments.release.manifest import check_published
from deployments.release.vulnerabilities import ReleaseScan, release_images
from infra.environment.context import Assembly
from infra.look.inspection import opened
from infra.publish.manifests import current_manifest, read_manifest
from infra.publish.vulnerabilities import need_trivy, scans
from infra.run.operation import CURRENT


def scan_of(assembly: Assembly, release: str, log: Callable[[str], None]) -> ReleaseScan:
    """What trivy finds in a release, by a manifest's name or file, `newest`, or `current`.

    The server is asked only for `current`: what runs there is what is scanned.
    """
    need_trivy()
    environment, stack = assembly.located.environment, assembly.stack
    infrastructure = stack.deploy.infrastructure
    running: dict[str, str] = {}
    with assembly.registry() as registry:
        if release == CURRENT:
            with opened(assembly, "status", log) as host:
                seen = host.observe(stack)
            manifest = current_manifest(assembly.located, seen)
            found = {name: running_reference(seen, name) for name in infrastructure}
            running = {name: reference for name, reference in found.items() if reference}
        else:
            manifest = read_manifest(assembly.located, registry, release)
            check_published(manifest, environment, stack.built())
        images = release_images(environment, infrastructure, manifest, registry.host, running)
        return ReleaseScan(
            manifest.name, environment.name, environment.scan, scans(registry, images, log)
        )
