"""A version of this project, with stand-ins of docker and gh on PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.changelog import UPGRADE
from infra import package
from infra.control import image as control_image

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "d" * 64
TOKEN = "ghs_0123456789abcdef"
STAND_IN = f"""\
#!{sys.executable}
import json, os, sys
from pathlib import Path
seen = {{"argv": sys.argv[1:], "stdin": sys.stdin.read() if "--notes-file" in sys.argv else ""}}
if sys.argv[1:3] == ["buildx", "build"]:
    seen["config"] = json.loads(Path(os.environ["DOCKER_CONFIG"], "config.json").read_text())
    Path(sys.argv[sys.argv.index("--metadata-file") + 1]).write_text(
        json.dumps({{"containerimage.digest": "{DIGEST}"}})
    )
    print("pushing with", os.environ["GITHUB_TOKEN"])
if sys.argv[1:2] != ["context"]:
    Path(os.environ["SEEN"]).write_text(json.dumps(seen))
sys.exit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout at version 1.2.0, on a runner."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        f"## [1.2.0] - 2030-03-31\n\n{UPGRADE} nothing.\n\n- A thing.\n"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "gh"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}", "SEEN": str(tmp_path / "seen.json"),
        "GITHUB_REPOSITORY": "Acme/homeguru-deploy", "GITHUB_ACTOR": "octocat",
        "GITHUB_SHA": "0" * 40, "GITHUB_SERVER_URL": "https://github.com", "GITHUB_TOKEN": TOKEN,
        "GITHUB_OUTPUT": str(tmp_path / "output"), "DIGEST": DIGEST,
        "IMAGE": "ghcr.io/acme/homeguru-flows",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setattr(package, "CHECKOUT", tmp_path)
    monkeypatch.setattr(package, "WHEELS", tmp_path / "dist")
    return tmp_path


def seen(project: Path) -> dict:
    return json.loads((project / "seen.json").read_text())


def wheel(project: Path, version: str = "1.2.0") -> Path:
    file = project / "dist" / f"homeguru_deploy-{version}-py3-none-any.whl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    return file


def test_it_needs_python_alone() -> None:
    """Nothing is installed next to the token that publishes: `-S` hides what is."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infra.package", "notes", "v0.0.0"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("Error: pyproject.toml: the tag is v0.0.0, and the project's")


def test_notes_are_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert package.main(["notes", "v1.2.0"]) == 0
    assert capsys.readouterr().out == f"{UPGRADE} nothing.\n\n- A thing.\n"


@pytest.mark.parametrize("words", [[], ["notes"], ["publish", "v1.2.0"], ["section", "v1.2.0"]])
def test_another_call_is_a_mistake_of_its_caller(project: Path, words, capsys) -> None:
    assert package.main(words) == 2
    assert "notes|image|release v1.2.0" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["notes", "image", "release"])
def test_nothing_is_published_for_a_tag_of_another_version(project: Path, verb, capsys) -> None:
    wheel(project, "1.3.0")
    assert package.main([verb, "v1.3.0"]) == 2
    assert "the project's version 1.2.0" in capsys.readouterr().err
    assert not (project / "seen.json").exists()


def test_the_image_is_pushed_under_its_version(project: Path, capsys) -> None:
    assert package.main(["image", "v1.2.0"]) == 0
    argv = seen(project)["argv"]
    assert argv[:3] == ["buildx", "build", "--push"]
    assert argv[argv.index("--tag") + 1] == "ghcr.io/acme/homeguru-flows:1.2.0"
    assert argv[argv.index("--file") + 1] == str(project / "docker" / "Dockerfile.flows")
    source = "--label=org.opencontainers.image.source=https://github.com/Acme/homeguru-deploy"
    assert source in argv
    assert list(seen(project)["config"]["auths"]) == ["ghcr.io"]
    output = (project / "output").read_text()
    assert output == f"name=ghcr.io/acme/homeguru-flows\ndigest={DIGEST}\n"


def test_the_token_is_neither_an_argument_nor_shown(project: Path, capsys) -> None:
    assert package.main(["image", "v1.2.0"]) == 0
    assert TOKEN not in " ".join(seen(project)["argv"])
    shown = capsys.readouterr().out
    assert "pushing with ***" in shown
    assert TOKEN not in shown


def test_an_image_that_was_not_pushed_ends_the_job(project: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CODE", "1")
    assert package.main(["image", "v1.2.0"]) == 1
    assert "homeguru-flows:1.2.0 was not pushed" in capsys.readouterr().err
    assert not (project / "output").exists()


def test_the_release_has_the_wheel_the_notes_and_the_image(project: Path) -> None:
    file = wheel(project)
    assert package.main(["release", "v1.2.0"]) == 0
    assert seen(project)["argv"] == [
        "release", "create", "v1.2.0", "--verify-tag", "--title", "v1.2.0",
        "--notes-file", "-", str(file),
    ]  # fmt: skip
    assert seen(project)["stdin"].startswith(f"{UPGRADE} nothing.\n")
    assert f"`ghcr.io/acme/homeguru-flows@{DIGEST}`" in seen(project)["stdin"]


@pytest.mark.parametrize("versions", [[], ["1.1.0"]])
def test_a_release_without_its_wheel_is_none(project: Path, versions, capsys) -> None:
    for version in versions:
        wheel(project, version)
    assert package.main(["release", "v1.2.0"]) == 2
    assert "make wheel" in capsys.readouterr().err
    assert not (project / "seen.json").exists()


@pytest.mark.parametrize(
    ("variable", "value"), [("DIGEST", "latest"), ("DIGEST", ""), ("IMAGE", "")]
)
def test_a_release_names_an_image_by_its_digest(project, monkeypatch, variable, value) -> None:
    wheel(project)
    monkeypatch.setenv(variable, value)
    assert package.main(["release", "v1.2.0"]) == 2
    assert not (project / "seen.json").exists()


def test_a_release_that_github_refuses_ends_the_job(project: Path, monkeypatch, capsys) -> None:
    wheel(project)
    monkeypatch.setenv("CODE", "1")
    assert package.main(["release", "v1.2.0"]) == 1
    assert "GitHub made no release" in capsys.readouterr().err


def test_the_image_is_the_one_that_a_control_plane_runs() -> None:
    assert package.IMAGE == control_image.NAME
