"""The wheel, installed into an empty environment."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.wheel import built, installed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_our_packages_and_no_top_level_docker(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"flows", "infra", "deployments"}
    for wanted in (
        "infra/_data/docker/docker-bake.hcl",
        "infra/_data/docker/Dockerfile.api.dockerignore",
        "infra/_data/docker/edge/haproxy.cfg",
        "infra/_data/examples/release.yml",
        "infra/sandbox/server/Dockerfile",
    ):
        assert wanted in names
    assert not [name for name in names if name.startswith("deployments/environments/")]


def test_the_installed_command_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    programs = installed(wheel, tmp_path / "venv")
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(programs / "homeguru"), *words], cwd=tmp_path, env=variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("--version").stdout.strip() == "homeguru 0.1.0"
    for words in (("status",), ("config",), ("plan", "--env", "prod")):
        ended = run(*words)
        assert (ended.returncode, ended.stdout) == (2, ""), words
        assert f"{tmp_path}: there is no .homeguru here" in ended.stderr
        assert "Next: run homeguru init in the application's repository" in ended.stderr
