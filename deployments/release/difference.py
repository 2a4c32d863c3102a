"""What differs between two releases, as they were published."""

from __future__ import annotations

from deployments.image_name import short
from deployments.release.manifest import Manifest


def difference(before: Manifest, after: Manifest) -> list[tuple[str, str]]:
    """Name and change, a row each: where the code comes from, values of the build, every image.

    Empty for one release that was named twice, whose record on a server lacks what only people read.
    """
    if before.name == after.name and _content(before) == _content(after):
        return []
    rows = [
        ("release", _change(before.name, after.name)),
        ("commit", _change(before.commit[:12], after.commit[:12])),
        ("made", _change(before.created, after.created)),
        ("by", _change(before.author, after.author)),
    ]
    if before.subject or after.subject:
        rows.append(("subject", _change(before.subject, after.subject)))
    names = sorted({*before.build_env, *after.build_env})
    rows += [
        (f"build {n}", _change(before.build_env.get(n, ""), after.build_env.get(n, "")))
        for n in names
    ]
    for name in sorted({*before.services, *after.services}):
        old, new = (m.services.get(name) for m in (before, after))
        rows.append(
            (name, _change(short(old.digest) if old else "", short(new.digest) if new else ""))
        )
    return rows


def _content(manifest: Manifest) -> tuple[object, ...]:
    digests = {name: image.digest for name, image in manifest.services.items()}
    return manifest.commit, manifest.build_env, digests


def _change(before: str, after: str) -> str:
    if before == after:
        return f"{after or '-'}, the same"
    return f"{before or 'none'} -> {after or 'none'}"
