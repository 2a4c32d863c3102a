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
