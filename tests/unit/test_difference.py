"""What differs between two releases."""

from __future__ import annotations

from deployments.release.difference import difference


def test_commit_build_values_and_images(world) -> None:
    before = world.manifest()
    digest = "sha256:" + "9" * 64
    changed = before.services["api"].model_copy(update={"digest": digest})
    services = {**before.services, "api": changed, "extra": changed}
    del services["bot"]
    after = before.model_copy(
        update={"commit": "f" * 40, "services": services, "build_env": {"NEW": "1"}}
    )
    rows = dict(difference(before, after))
    assert rows["commit"] == f"{before.commit[:12] or 'none'} -> {'f' * 12}"
    assert rows["api"].endswith("-> 999999999999")
    assert rows["bot"].endswith("-> none")
    assert rows["extra"] == "none -> 999999999999"
    assert rows["frontend"].endswith(", the same")
    assert rows["build NEW"] == "none -> 1"


def test_one_release_under_two_names_does_not_differ(world) -> None:
    """The server's record has no subject, and the time at which it was made is its own."""
    published = world.manifest().model_copy(update={"subject": "Stock, mended"})
    recorded = published.model_copy(update={"subject": ""})
    assert difference(recorded, published) == []
    changed = published.services["api"].model_copy(update={"digest": "sha256:" + "9" * 64})
    other = published.model_copy(update={"services": {**published.services, "api": changed}})
    assert dict(difference(recorded, other))["api"].endswith("-> 999999999999")
