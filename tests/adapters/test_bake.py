"""What is said of a build that failed, and how docker is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.environment.policy import OwnDockerfile
from deployments.errors import HomeguruError, Refused
from infra.engine import login
from infra.machine.paths import docker_dir
from infra.machine.processes import Ended, run
from infra.publish import bake

FAILED = """\
#1 [internal] load build definition from Dockerfile.api
#1 DONE 0.0s
#9 [builder 4/6] COPY pyproject.toml uv.lock ./
#9 CACHED
#10 [builder 5/6] RUN uv sync --frozen
#10 0.512 error: Failed to parse `uv.lock`
#10 ERROR: process "/bin/sh -c uv sync" did not complete successfully: exit code: 2
------
 > [builder 5/6] RUN uv sync --frozen:
0.512 error: Failed to parse `uv.lock`
------
Dockerfile.api:14
--------------------
  13 |     COPY pyproject.toml uv.lock ./
  14 | >>> RUN uv sync --frozen
--------------------
ERROR: failed to solve: process "/bin/sh -c uv sync" did not complete successfully: exit code: 2
"""


def _failure(text, targets=("api",)):
    return bake._failure(text, {target: target for target in targets})


def test_only_the_failing_lines_are_shown():
    error = _failure(FAILED, ["api", "bot"])
    assert type(error) is HomeguruError
    assert error.what.startswith(
        "the build of api, bot failed:\n > [builder 5/6] RUN uv sync --frozen:\n".replace(
            "\n >", "\n>"
        )
    )
    assert "0.512 error: Failed to parse `uv.lock`" in error.what
    assert "CACHED" not in error.what
    assert "load build definition" not in error.what
    assert error.state == "untouched"


def test_of_several_built_at_once_the_failing_one_is_named():
    said = FAILED.replace("> [builder 5/6]", "> [api builder 5/6]")
    assert _failure(said, ["bot", "api"]).what.startswith("the build of api failed:\n")


def test_a_failure_without_a_step_shows_all_there_is():
    said = "ERROR: failed to find target api"
    assert _failure(said).what == f"the build of api failed:\n{said}"


def test_a_long_output_is_cut_at_its_begin():
    error = _failure("\n------\n" + "x\n" * 5000 + "the end")
    assert len(error.what) < 3100
    assert error.what.endswith("the end")


@pytest.mark.parametrize(
    "last",
    [
        "ERROR: failed to solve: failed to push ghcr.io/acme/api:in-1: denied: "
        "permission_denied: write_package",
        "ERROR: failed to solve: failed to push localhost:5000/acme/api:in-1: push access denied, "
        "repository does not exist or may require authorization: authorization failed",
        "ERROR: denied: requested access to the resource is denied",
        "ERROR: failed to push ghcr.io/a/b:c: unexpected status from POST request to "
        "https://ghcr.io/v2/a/b/blobs/uploads/: 403 Forbidden",
        "ERROR: failed to push x: failed to authorize: failed to fetch oauth token: unauthorized",
    ],
)
def test_a_refused_push_is_a_refusal(last):
    error = _failure(f"#1 [internal] load\n#12 pushing layers\n{last}\n")
    assert isinstance(error, Refused)
    assert error.what == f"the registry refuses the push of api: {last}"
    assert "write:packages" in error.todo


@pytest.mark.parametrize(
    "line",
    [
        "cp: cannot open '/x': Permission denied",
        "npm error code E403 403 Forbidden - GET https://registry.npmjs.org/x",
        "fatal: could not read from remote: unauthorized",
    ],
)
def test_a_build_that_was_denied_something_is_a_failed_build(line):
    """What a step of the build may not do is no matter of the push."""
    error = _failure(FAILED.replace("error: Failed to parse `uv.lock`", line))
    assert type(error) is HomeguruError
    assert line in error.what


def test_a_base_image_that_may_not_be_pulled_is_a_failed_build():
    error = _failure(
        "#2 ERROR: pull access denied, repository does not exist or may require authorization\n"
        "ERROR: failed to solve: x/y: failed to resolve source metadata for docker.io/x/y: "
        "pull access denied"
    )
    assert type(error) is HomeguruError


def test_headings_are_said_once_and_internal_ones_never():
    said = []
    log = bake._headings(said.append)
    for line in [*FAILED.splitlines(), "#9 [builder 4/6] COPY pyproject.toml uv.lock ./"]:
        log(line)
    assert said == [
        "[builder 4/6] COPY pyproject.toml uv.lock ./", "[builder 5/6] RUN uv sync --frozen",
    ]  # fmt: skip


@pytest.fixture
def docker(monkeypatch):
    """What docker was called with; `docker["answer"]` is how a build ends."""
    seen = {"answer": Ended(0, "", "")}

    def run(*argv, **more):
        return Ended(0, "unix:///run/x.sock\n", "")

    def stream(*argv, log, env):
        seen.update(argv=argv, env=env)
        file = Path(argv[argv.index("-f") + 1])
        if file.suffix == ".json":
            seen["bake"] = json.loads(file.read_text())
        if "DOCKER_CONFIG" in env:
            with open(f"{env['DOCKER_CONFIG']}/config.json") as file:  # noqa: PTH123
                seen["config"] = json.load(file)
        for line in seen.get("lines", ()):
            log(line)
        if "metadata" in seen:
            Path(argv[argv.index("--metadata-file") + 1]).write_text(seen["metadata"])
        return seen["answer"]

    monkeypatch.setattr(login, "run", run)
    monkeypatch.setattr(bake, "stream", stream)
    return seen


IMAGE = bake.Image(
    "api", "localhost:5000/acme/api:in-1", {"PYTHON_IMAGE": "python:3.12-slim"}, {"a.b": "c d"}
)


def test_the_command(docker, tmp_path):
    bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None)
    argv = docker["argv"]
    assert argv[:3] == ("docker", "buildx", "bake")
    assert "--push" in argv
    assert argv[-1] == "api"
    settings = [argv[n + 1] for n, word in enumerate(argv) if word == "--set"]
    assert settings == [
        "api.tags=localhost:5000/acme/api:in-1", "api.args.PYTHON_IMAGE=python:3.12-slim",
        "api.labels.a.b=c d",
    ]  # fmt: skip
    assert docker["env"]["CONTEXT"] == str(tmp_path)
    assert docker["env"]["PYTHON_IMAGE"] == "python:3.12-slim"
    assert "DOCKER_CONFIG" not in docker["env"]


def test_an_image_is_told_while_others_build(docker, tmp_path):
    digest = "sha256:" + "a" * 64
    docker["lines"] = [
        f"#8 pushing manifest for {IMAGE.tag}@{digest} 0.1s done",
        f"#9 pushing manifest for localhost:5000/another:in-1@{digest} 0.1s done",
        "#10 [bot 2/2] RUN make",
    ]
    said, pushed = [], []
    bake.bake(docker_dir(), [IMAGE], tmp_path, said.append, pushed=pushed.append)
    assert (pushed, said) == ([IMAGE], ["[bot 2/2] RUN make"])


def test_the_builder_says_what_it_pushed(docker, tmp_path):
    digest = f"sha256:{'a' * 64}"
    docker["metadata"] = json.dumps({"api": {"containerimage.digest": digest}, "deps": {}})
    assert bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None) == {"api": digest}
    docker["metadata"] = json.dumps({"my_app": {"containerimage.digest": digest}})
    assert bake.bake(docker_dir(), [OWN], tmp_path, lambda _: None) == {"my.app": digest}


@pytest.mark.parametrize("metadata", ["", "{}", '{"api": {"containerimage.digest": "latest"}}'])
def test_a_builder_that_does_not_say_it(docker, tmp_path, metadata):
    docker["metadata"] = metadata
    assert bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None) == {}


def test_a_build_argument_reaches_the_stage_that_images_share(docker, tmp_path):
    arguments = {"SYSTEM_PACKAGES": "ffmpeg libpq5", "PATH": "/nowhere"}
    image = bake.Image("bot", "localhost:5000/acme/bot:in-1", arguments, {})
    bake.bake(docker_dir(), [image], tmp_path, lambda _: None)
    assert docker["env"]["SYSTEM_PACKAGES"] == "ffmpeg libpq5"
    assert "PATH" not in docker["env"]


def test_a_newer_bake_does_not_ask_on_the_terminal(docker, tmp_path):
    bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None)
    assert docker["env"]["BUILDX_BAKE_ENTITLEMENTS_FS"] == "0"


def test_credentials_lie_in_a_throw_away_configuration(docker, tmp_path):
    bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None, ("ghcr.io", "robot", "hunter2"))
    assert docker["config"]["auths"] == {"ghcr.io": {"auth": "cm9ib3Q6aHVudGVyMg=="}}
    assert "hunter2" not in " ".join(docker["argv"])
    assert docker["env"]["DOCKER_HOST"] == "unix:///run/x.sock"
    folder = Path(docker["env"]["DOCKER_CONFIG"])
    assert not folder.exists()


def test_docker_hub_has_a_name_of_its_own_there(docker, tmp_path):
    bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None, ("docker.io", "robot", "hunter2"))
    assert list(docker["config"]["auths"]) == ["https://index.docker.io/v1/"]


def test_a_failed_build_raises(docker, tmp_path):
    docker["answer"] = Ended(1, FAILED, "")
    with pytest.raises(HomeguruError, match="the build of api failed:"):
        bake.bake(docker_dir(), [IMAGE], tmp_path, lambda _: None)


OWN = bake.Image(
    "my.app", "localhost:5000/acme/my.app:in-1", {"V": "1", "PYTHON_IMAGE": "x"}, {"a": "b"},
    OwnDockerfile(file="web/Dockerfile", context="web", target="prod"),
)  # fmt: skip


def test_a_dockerfile_of_the_applications_own_has_a_bake_file_of_its_own(docker, tmp_path):
    bake.bake(docker_dir(), [OWN], tmp_path, lambda _: None)
    assert docker["bake"] == {
        "target": {
            "my_app": {
                "context": f"{tmp_path}/web", "dockerfile": f"{tmp_path}/web/Dockerfile",
                "target": "prod", "attest": ["type=provenance,disabled=true"],
            }
        }
    }  # fmt: skip
    argv = docker["argv"]
    assert argv[-1] == "my_app"
    settings = [argv[n + 1] for n, word in enumerate(argv) if word == "--set"]
    assert settings == [
        "my_app.tags=localhost:5000/acme/my.app:in-1", "my_app.args.V=1",
        "my_app.args.PYTHON_IMAGE=x", "my_app.labels.a=b",
    ]  # fmt: skip
    assert not Path(argv[argv.index("-f") + 1]).exists()


@pytest.mark.parametrize(("sbom", "attested"), [("", []), ("false", []), ("true", ["type=sbom"])])
def test_it_is_cached_and_attested_as_the_others_are(docker, tmp_path, monkeypatch, sbom, attested):
    monkeypatch.setenv("CACHE_FROM", "ghcr.io/a/cache")
    monkeypatch.setenv("CACHE_TO", "ghcr.io/a/cache")
    monkeypatch.setenv("PROVENANCE", "max")
    monkeypatch.setenv("SBOM", sbom)
    bake.bake(docker_dir(), [OWN], tmp_path, lambda _: None)
    (target,) = docker["bake"]["target"].values()
    assert target["cache-from"] == ["type=registry,ref=ghcr.io/a/cache:my_app"]
    assert target["cache-to"] == [
        "type=registry,ref=ghcr.io/a/cache:my_app,mode=max,ignore-error=true"
    ]
    assert target["attest"] == ["type=provenance,mode=max", *attested]


@pytest.mark.parametrize("sbom", ["", "false", "true"])
def test_the_bake_file_attests_the_same(monkeypatch, sbom):
    """Read by buildx itself, which needs no engine to print a bake file."""
    monkeypatch.setenv("SBOM", sbom)
    file = str(docker_dir() / "docker-bake.hcl")
    shown = run("docker", "buildx", "bake", "-f", file, "--print", "all")
    targets = json.loads(shown.stdout)["target"]
    wanted = ["type=provenance,disabled=true", *(["type=sbom"] if sbom == "true" else [])]
    assert {name: t["attest"] for name, t in targets.items()} == dict.fromkeys(targets, wanted)
    own = bake._target("x", OWN.own, Path("/c"))
    assert own["attest"] == wanted


def test_a_failed_build_of_it_names_the_service(docker, tmp_path):
    docker["answer"] = Ended(1, FAILED.replace("> [builder", "> [my_app builder"), "")
    with pytest.raises(HomeguruError, match=r"the build of my\.app failed:"):
        bake.bake(docker_dir(), [OWN], tmp_path, lambda _: None)
