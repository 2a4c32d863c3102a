"""Which published release somebody means: by file, by name, or the newest."""

from __future__ import annotations

from pathlib import Path

from deployments.errors import WrongUse
from deployments.manifest import Manifest, nearest, parse_manifest
from infra.environments import Located
from infra.registry import Registry


def find_manifest(located: Located, registry: Registry, wanted: str) -> Manifest:
    """A manifest by file, by name, or the environment's newest."""
    file = Path(wanted)
    if wanted.endswith(".json") or file.is_file():
        if not file.is_file():
            raise WrongUse(f"no manifest file {wanted}", state="untouched")
        return parse_manifest(file.read_text(), wanted)
    environment = located.environment
    tag = f"{environment.name}-newest" if wanted == "newest" else wanted
    text = registry.pull_release(environment.manifests, tag)
    if text is not None:
        return parse_manifest(text, f"{environment.manifests}:{tag}")
    known = [t for t in registry.tags(environment.manifests) if not t.endswith("-newest")]
    raise WrongUse(
        f"no release {wanted!r} is published for {environment.name}",
        where=f"{registry.host}/{environment.manifests}", state="untouched",
        todo=f"choose one of: {', '.join(nearest(wanted, known))}" if known
        else f"publish one: homeguru publish --env {environment.name}",
    )  # fmt: skip
