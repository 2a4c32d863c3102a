"""How much of a registry an image takes: what a server without any of its layers pulls."""

from __future__ import annotations

from infra.registry.api import Registry


def size_of(registry: Registry, repository: str, digest: str) -> int:
    """Bytes of the configuration and the compressed layers."""
    manifest = registry.manifest(repository, digest)
    entries = [
        entry
        for entry in manifest.get("manifests", [])
        if entry.get("platform", {}).get("os") != "unknown"  # an attestation
    ]
    if entries:
        manifest = registry.manifest(repository, entries[0]["digest"])
    parts = [manifest.get("config", {}), *manifest.get("layers", [])]
    return sum(int(part.get("size", 0)) for part in parts)


def readable(size: int) -> str:
    """`153 MB`."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
