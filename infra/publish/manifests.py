"""Which published release somebody means: by file, by name, or the newest; and who signed it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.errors import HomeguruError, Refused, WrongUse
from deployments.host.observation import Observation
from deployments.release.adopted_record import RELEASE
from deployments.release.manifest import (
    Manifest,
    nearest,
    of_environment,
    parse_manifest,
    without_number,
)
from infra.environment.locate import Located
from infra.machine.files import read_text
from infra.machine.known_names import KnownName, keep_names, newest_first
from infra.publish.signatures import checked, signer_of

if TYPE_CHECKING:
    from infra.registry.api import Registry


_OTHER_MANIFEST = "name a file that `homeguru publish --env NAME --output FILE` wrote, or a manifest that was published"

SignedImages = frozenset[tuple[str, str, str]]
"""Repository, inputs and digest of images that a signed release names."""


def find_manifest(located: Located, registry: Registry, wanted: str) -> Manifest:
    """A manifest by file, by name, or the environment's newest, to act on.

    Whatever deploys, migrates or plans comes here for what was published, so the signature is
    verified here. Releases of a host's own record were verified when they came.
    """
    manifest, digest = _found(located, registry, wanted)
    return checked(
        located, registry, manifest,
        lambda: digest or _published_digest(located, registry, manifest, wanted),
    )  # fmt: skip


def read_manifest(located: Located, registry: Registry, wanted: str) -> Manifest:
    """The same to look at: a release from before signatures can be compared, too."""
    return _found(located, registry, wanted)[0]


def signed_images(located: Located, registry: Registry) -> SignedImages:
    """What the newest release has, where that is signed: an earlier build that is used again.

    Whoever may push could give any image the tag of an earlier build.
    """
    try:
        manifest, digest = _found(located, registry, "newest")
        signer_of(located, registry, manifest.name, digest)
    except HomeguruError:
        return frozenset()
    return frozenset((i.repository, i.inputs, i.digest) for i in manifest.services.values())


def _found(located: Located, registry: Registry, wanted: str) -> tuple[Manifest, str]:
    """A manifest, and the digest of the artifact that it was read from; empty for a file."""
    if (text := _in_file(wanted)) is not None:
        return parse_manifest(text, wanted), ""
    # `history` shows the ledger's ids.
    wanted, environment = without_number(wanted), located.environment
    # One on the server itself is reached through a port of this machine, which says nothing to anybody.
    host = environment.pull_registry if environment.host_registry_port else registry.host
    where = f"{host}/{environment.manifests}"
    if wanted == "newest" or of_environment(wanted, environment.name):
        tag = f"{environment.name}-newest" if wanted == "newest" else wanted
        stored = registry.pull_release(environment.manifests, tag)
        if stored is not None:
            manifest = parse_manifest(stored.text, f"{where}:{tag}").described(stored.subject)
            keep_name(located, _named(manifest, wanted, f"{where}:{tag}"))
            return manifest, stored.digest
    # Nothing else is asked for: what a person types would become a part of the address.
    published = [
        t for t in registry.tags(environment.manifests) if of_environment(t, environment.name)
    ]
    raise WrongUse(
        f"no release {wanted!r} is published for {environment.name}",
        where=where, state="untouched",
        todo=f"choose one of: {', '.join(nearest(wanted, published))}" if published
        else f"publish one: homeguru publish --env {environment.name}",
    )  # fmt: skip


def _published_digest(located: Located, registry: Registry, manifest: Manifest, file: str) -> str:
    """The digest of the release that a file holds; a file that says otherwise is signed by nobody."""
    environment = located.environment
    stored = None
    if of_environment(manifest.name, environment.name):
        stored = registry.pull_release(environment.manifests, manifest.name)
    if stored and parse_manifest(stored.text, manifest.name).to_json() == manifest.to_json():
        return stored.digest
    what = "says otherwise than the registry" if stored else "is of a release that is not published"
    raise Refused(
        f"{manifest.name} {what}, and only what is published can be signed", where=file,
        state="untouched",
        todo=f"deploy what is published: homeguru deploy {manifest.name} --env {environment.name}"
        if stored else f"publish it: homeguru publish --env {environment.name}",
    )  # fmt: skip


def current_manifest(located: Located, seen: Observation) -> Manifest:
    """The release that runs, as its host keeps it."""
    name = located.environment.name
    if seen.current in (None, RELEASE) or not seen.manifest:
        reason = "was deployed by hand" if seen.current == RELEASE else "no release of ours runs"
        raise Refused(
            f"there is no current release to deploy again: {reason}", where=located.environment.ssh,
            state="unchanged", todo=f"homeguru deploy newest --env {name}",
        )  # fmt: skip
    return parse_manifest(seen.manifest, "current")


def _named(manifest: Manifest, wanted: str, where: str) -> Manifest:
    """The manifest of a tag; raises Refused when it is another release's."""
    if wanted not in ("newest", manifest.name):
        raise Refused(
            f"the registry gives the manifest of {manifest.name} for {wanted}", where=where,
            state="untouched", todo="somebody moved that tag: find out who, or publish it again",
        )  # fmt: skip
    return manifest


def keep_name(located: Located, manifest: Manifest) -> None:
    """Let the shell's completion know a release that is in the registry."""
    entry = KnownName(manifest.name, manifest.created)
    keep_names(located.environment.name, located.file, lambda known: replace(
        known, manifests=newest_first((*known.manifests, entry))
    ))  # fmt: skip


def name_of(wanted: str) -> str:
    """A name that means the same on another machine: a file is only here."""
    text = _in_file(wanted)
    return wanted if text is None else parse_manifest(text, wanted).name


def _in_file(wanted: str) -> str | None:
    """Text of a manifest's file; None where no file is meant."""
    file = Path(wanted)
    try:
        exists = file.is_file()
    except (OSError, ValueError):
        # Too long for a name, or none at all.
        return None
    if exists:
        return read_text(file, todo=_OTHER_MANIFEST)
    if wanted.endswith(".json"):
        raise WrongUse(
            f"no manifest file {wanted}",
            state="untouched",
            todo=_OTHER_MANIFEST,
        )
    return None
