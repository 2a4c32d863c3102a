"""How far images are on their way to a server, as people read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.build.transfers import amount
from deployments.image_name import short

_PULLED = re.compile(
    r"layer (\S+) ([0-9a-f]{12}): (Pulling fs layer|Download complete|Pull complete)", re.ASCII
)
"""Sent by `shell/images_pull.sh`: a reference, and what Docker says of a layer of it."""


@dataclass
class _Pull:
    """One image that is pulled: its layers, which of them arrived, and which are unpacked."""

    layers: set[str] = field(default_factory=set)
    arrived: set[str] = field(default_factory=set)
    unpacked: set[str] = field(default_factory=set)

    def words(self, sizes: Mapping[str, int]) -> str:
        """Bytes where the size of each layer is known, else layers."""
        if self.arrived >= self.layers:
            return "is unpacked"
        if not self.layers <= sizes.keys():
            return f"{len(self.arrived)} of {len(self.layers)} layers"
        done, total = (sum(sizes[x] for x in each) for each in (self.arrived, self.layers))
        return amount(done, total)


class Pulls:
    """Images that a server pulls.

    Off a terminal Docker tells no bytes, only when a layer has arrived: a layer counts whole or not
    at all. Its compressed size is the registry's to tell; what was on the server already does not
    count.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        """names: of the images for people, by reference."""
        self._names = names
        self._images: dict[str, _Pull] = {}
        self._sizes: dict[str, int] = {}

    def see(self, line: str) -> bool:
        """A line of the script; whether it told something."""
        match = _PULLED.fullmatch(line)
        if match is None or match[1] not in self._names:
            return False
        reference, layer, state = match.groups()
        image = self._images.setdefault(reference, _Pull())
        image.layers.add(layer)
        if state != "Pulling fs layer":
            image.arrived.add(layer)
        if state == "Pull complete":
            image.unpacked.add(layer)
        return True

    def learn(self, sizes: Mapping[str, int]) -> None:
        """Bytes of layers, by their digests."""
        self._sizes |= {short(digest): size for digest, size in sizes.items()}

    @property
    def unfinished(self) -> list[str]:
        """References of images some of whose layers are not unpacked yet."""
        images = self._images.items()
        return [reference for reference, image in images if image.unpacked < image.layers]

    def __str__(self) -> str:
        return ", ".join(
            f"{self._names[each]} {self._images[each].words(self._sizes)}"
            for each in self.unfinished
        )
