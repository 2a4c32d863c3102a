"""The files of [signatures] that `control-plane up` brings to the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.errors import WrongUse
from infra.control import volumes
from infra.machine.paths import packaged_environments

ENVIRONMENT = (packaged_environments() / "production.toml").read_text()


def environment(folder: Path, *keys: str) -> None:
    folder.mkdir(exist_ok=True)
    named = ", ".join(f'"{key}"' for key in keys)
    (folder / "a.toml").write_text(f"{ENVIRONMENT}\n[signatures]\nkeys = [{named}]\n")


def test_public_keys_are_brought_and_no_private_one(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    # A worker has the last one from the folder of keys; whoever deploys tells of the one before it.
    environment(folder, "team.pub", "./keys/other key.pem", "none.pub", "~/.ssh/third.pub")
    (folder / "keys").mkdir()
    for name in ("keys/other key.pem", "team.pub", "team.key"):
        (folder / name).write_text(name)
    (folder / "team.pub").rename(tmp_path / "real.pub")
    (folder / "team.pub").symlink_to(tmp_path / "real.pub")
    found = volumes._environments(str(folder))
    assert set(found) == {"a.toml", "team.pub", "keys/other key.pem"}
    assert found["team.pub"] == b"team.pub"


@pytest.mark.parametrize("key", ["../team.pub", "/srv/team.pub", "~/team.pub"])
def test_one_that_a_worker_would_not_have_is_refused(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "environments"
    environment(folder, key)
    with pytest.raises(WrongUse, match=r"its public key .*/team\.pub lies outside") as refused:
        volumes._environments(str(folder))
    assert (refused.value.where, refused.value.state) == (str(folder), "untouched")
    assert refused.value.todo == "move it into the folder, and correct `keys` of `[signatures]`"
