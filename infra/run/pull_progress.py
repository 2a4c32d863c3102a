"""Showing how far the images of a step are on their way to the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from deployments.host.pulls import Pulls
from deployments.image_name import ImageName, read
from infra.machine.progress import SHOWN_AFTER, is_watched, watcher

if TYPE_CHECKING:
    from infra.registry.api import Registry

_PLATFORMS = 8
"""Manifests of one image that are read for the sizes of its layers."""


@contextmanager
def following(
    registry: Registry, host: str, names: Mapping[str, str], references: Sequence[str]
) -> Iterator[Callable[[str], None] | None]:
    """What follows a script that pulls these references; None where nobody watches.

    host: of the registry, as a server pulls from it. names: of images for people, by reference.
    """
    if not references or not is_watched():
        yield None
        return
    pulls = Pulls({each: names.get(each, each) for each in references})
    lock, over = threading.Lock(), threading.Event()

    def see(line: str) -> None:
        with lock:
            if pulls.see(line):
                watcher().progress(str(pulls))

    def learn() -> None:
        asked: set[str] = set()
        # A pull that is over by then asks the registry nothing; one of many images begins some later.
        while not over.wait(SHOWN_AFTER):
            with lock:
                begun = [each for each in pulls.unfinished if each not in asked]
            asked.update(begun)
            for image in map(read, begun):
                # Others are the world's registries, some of which count how often they are asked.
                sizes = layer_sizes(registry, image) if image.host == host else {}
                with lock:
                    if over.is_set():
                        return
                    pulls.learn(sizes)
                    watcher().progress(str(pulls))

    def learn_quietly() -> None:
        # It is for the eye alone, and the registry may be closed meanwhile.
        with suppress(Exception):
            learn()

    threading.Thread(target=learn_quietly, daemon=True).start()
    try:
        yield see
    finally:
        with lock:
            over.set()


def layer_sizes(registry: Registry, image: ImageName) -> dict[str, int]:
    """Bytes of an image's layers as they travel, by digest, of whatever platforms it has."""
    manifest = registry.manifest(image.repository, image.digest)
    digests = [str(entry.get("digest")) for entry in _entries(manifest, "manifests")]
    platforms = [registry.manifest(image.repository, each) for each in digests[:_PLATFORMS]]
    layers = [layer for each in (manifest, *platforms) for layer in _entries(each, "layers")]
    return {
        str(layer.get("digest")): layer["size"]
        for layer in layers
        if type(layer.get("size")) is int
    }


def _entries(manifest: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = manifest.get(key)
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
