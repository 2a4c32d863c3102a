"""Which published release somebody means: by file, by name, or the newest."""

from __future__ import annotations

from pathlib import Path

from deployments.errors import WrongUse
from deployments.manifest import Manifest, nearest, parse_manifest
from infra.environments import Located
from infra.registry import Registry


def find_manifest(located: Located, registry: Registry, wanted: str) -> Manifest:
    """A manifest by file, by name, or the environment's newest."""
    if (text := _in_file(wanted)) is not None:
        return parse_manifest(text, wanted)
    environment = located.environment
    tag = f"{environment.name}-newest" if wanted == "newest" else wanted
    found = registry.pull_release(environment.manifests, tag)
    if found is not None:
        return parse_manifest(found, f"{environment.manifests}:{tag}")
    known = [t for t in registry.tags(environment.manifests) if not t.endswith("-newest")]
    raise WrongUse(
        f"no release {wanted!r} is published for {environment.name}",
        where=f"{registry.host}/{environment.manifests}", state="untouched",
        todo=f"choose one of: {', '.join(nearest(wanted, known))}" if known
        else f"publish one: homeguru publish --env {environment.name}",
    )  # fmt: skip


def name_of(wanted: str) -> str:
    """A name that means the same on another machine: a file is only here."""
    text = _in_file(wanted)
    return wanted if text is None else parse_manifest(text, wanted).name


def _in_file(wanted: str) -> str | None:
    """Text of a manifest's file; None where no file is meant."""
    file = Path(wanted)
    if file.is_file():
        return file.read_text()
    if wanted.endswith(".json"):
        raise WrongUse(f"no manifest file {wanted}", state="untouched")
    return None
