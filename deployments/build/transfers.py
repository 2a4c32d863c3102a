"""How far images are on their way to a registry, and amounts of bytes as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def amount(done: int, total: int) -> str:
    """`41 of 118 MB`, as Docker counts."""
    unit, name = (10**6, "MB") if total >= 10**6 else (10**3, "kB")
    return f"{done // unit} of {max(1, round(total / unit))} {name}"


@dataclass(frozen=True)
class SentLayer:
    """How far one layer is on its way to a registry. total: None while it is not known."""

    layer: str
    done: int
    total: int | None
    ended: bool = False


class Sending:
    """Images that are pushed; bytes before compression, which are the ones that the builder tells."""

    def __init__(self) -> None:
        self._images: dict[str, dict[str, SentLayer]] = {}

    def see(self, image: str, sent: SentLayer) -> None:
        """A layer of an image got further. A line that ends one tells no bytes."""
        layers = self._images.setdefault(image, {})
        before = layers.get(sent.layer)
        if sent.ended:
            whole = before.total or 0 if before else 0
            sent = SentLayer(sent.layer, whole, whole, ended=True)
        layers[sent.layer] = sent

    def end(self, image: str) -> None:
        """An image is in the registry."""
        self._images.pop(image, None)

    def __str__(self) -> str:
        shown = ((name, _sent(layers.values())) for name, layers in self._images.items())
        return ", ".join(f"{name} {words}" for name, words in shown if words)


def _sent(layers: Iterable[SentLayer]) -> str:
    """Empty for an image whose layers the registry has; without a total while a layer's is not known."""
    known = [(min(each.done, each.total), each.total) for each in layers if each.total is not None]
    done, total = (sum(column) for column in zip(*known, strict=True)) if known else (0, 0)
    if any(each.total is None for each in layers):
        return f"{done // 10**6} MB so far" if done >= 10**6 else ""
    return amount(done, total) if total else ""
