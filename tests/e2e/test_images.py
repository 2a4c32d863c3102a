"""What is in the images and what is not, seen in images built from a littered source."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.engine.daemon import Engine
from tests.e2e.conftest import PAGE_ASKS

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DOCKERFILES = ROOT / "docker"
NAMES = ("bot", "api", "frontend")
PACKAGES = -4  # the bot's layer of Python packages, below those of user, WORKDIR and src/
SECRET = "OPENROUTER_API_KEY=sk-must-not-travel\n"
NOT_COPIED = shutil.ignore_patterns("node_modules", ".next", ".venv", "__pycache__")


@dataclass(frozen=True)
class Build:
    """One run of bake: where it read from, what it is called, what it printed."""

    source: Path
    tag: str
    log: str

    def image(self, name: str) -> str:
        return f"homeguru-test-{name}:{self.tag}"

    def inspect(self, name: str) -> dict[str, Any]:
        return inspect(self.image(name))

    def layers(self, name: str) -> list[str]:
        layers: list[str] = self.inspect(name)["RootFS"]["Layers"]
        return layers

    def shell(self, name: str, script: str) -> str:
        """What a shell prints in a container of this image."""
        return docker("run", "--rm", "--network=none", self.image(name), "sh", "-c", script)


def say(text: str) -> None:
    print(text, flush=True)


def docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@cache
def inspect(image: str) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return description


def bake(source: Path, *args: str) -> Build:
    """Build as `publish` does: source and Dockerfiles in different trees, tags from outside."""
    build = Build(source, uuid.uuid4().hex[:12], "")
    tags = [f"--set={name}.tags={build.image(name)}" for name in NAMES]
    command = ["docker", "buildx", "bake", "-f", str(DOCKERFILES / "docker-bake.hcl")]
    done = subprocess.run(
        [*command, "--load", "--progress=plain", *tags, *args],
        env=os.environ
        | {
            "CONTEXT": str(source),
            "DOCKERFILES": str(DOCKERFILES),
            "NEXT_PUBLIC_API_URL": PAGE_ASKS,
            "BUILDX_BAKE_ENTITLEMENTS_FS": "0",  # newer buildx asks before it reads elsewhere
        },
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Build(source, build.tag, done.stderr)


def variant(build: Build, folder: Path) -> Path:
    """A copy of the source, to be changed."""
    return Path(shutil.copytree(build.source, folder / "homeguru"))


def forget(build: Build) -> None:
    images = [build.image(name) for name in NAMES]
    subprocess.run(["docker", "image", "rm", "--force", *images], check=False, capture_output=True)


@pytest.fixture(scope="module")
def build(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """All three images, from a source with secrets and Dockerfiles of its own lying about."""
    source = tmp_path_factory.mktemp("source") / "homeguru"
    shutil.copytree(ROOT / "tests" / "homeguru", source, ignore=NOT_COPIED)
    for trap in (
        ".env", "src/.env", "src/api/.env.local", "migrations/.env", "frontend/app/.env",
        "data/.env", "production.env",
    ):  # fmt: skip
        (source / trap).write_text(SECRET)
    for name in ("Dockerfile", "Dockerfile.api", ".dockerignore", "docker-compose.yml", "bot.log"):
        (source / name).write_text("FROM nowhere\n")
    # As a strict umask leaves them.
    (source / "data" / "phrases.json").chmod(0o600)
    (source / "src" / "api").chmod(0o700)
    built = bake(source, "--set=api.labels.org.opencontainers.image.revision=abc123")
    yield built
    forget(built)


@pytest.mark.parametrize("name", NAMES)
def test_no_env_file_gets_in(build: Build, name: str) -> None:
    assert (
        build.shell(
            name,
            "find / -xdev -name '*.env*' -path '/app/*' -o -xdev -name '.env*' 2>/dev/null || true",
        )
        == ""
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_build_tool_gets_in(build: Build, name: str) -> None:
    tools = "uvx gcc cc make git"
    assert build.shell(name, f"for tool in {tools}; do command -v $tool; done; true") == ""
    # Those that a command may name by habit are a few lines that start what is there.
    for habit in ("uv", "pnpm", "npm", "yarn"):
        size = build.shell(name, f"stat -L -c %s $(command -v {habit}) /dev/null | head -n 1")
        assert int(size) < 1000


CODE = {
    "bot": ["src", "src/bot", "src/bot/main.py", ".venv", ".venv/bin/python", "data/phrases.json"],
    "api": ["src", "src/api/main.py", "migrations", "migrations/env.py", "alembic.ini", ".venv"],
    "frontend": ["server.js", "node_modules", ".next/static", ".next/server/webpack-runtime.js"],
}


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_a_user_who_adds_files_and_changes_no_code(build: Build, name: str) -> None:
    assert build.shell(name, "id -u; mkdir -p ~/.cache && touch ~/x ~/.cache/x x && rm x && echo ok").split() == [
        "10001", "ok",
    ]  # fmt: skip
    tries = "; ".join(
        f"if mv {path} gone || rm -rf {path} || touch {path}/x || echo >> {path}; then echo {path}; fi"
        for path in CODE[name]
    )
    # `rm -rf` ends well only where it removed everything.
    assert build.shell(name, f"cd /app; {{ {tries}; }} 2>/dev/null") == ""


def test_the_bot_writes_beside_its_code_and_reads_what_lies_there(build: Build) -> None:
    script = (
        "python -c 'import logging; logging.FileHandler(\"bot.log\"); import src.phrases' && "
        "python -m src.bot.model && touch uploads/x data/x && ls -A . ~/.cache uploads"
    )
    seen = build.shell("bot", script)
    assert {"bot.log", "homeguru", "x"} <= set(seen.split())


@pytest.mark.parametrize("habit", ["uv run --no-sync python", "uv run -m this && uv run -- python"])
def test_uv_run_is_a_habit_that_works(build: Build, habit: str) -> None:
    assert build.shell("api", f"{habit} -c 'import fastapi; print(1)'").splitlines()[-1] == "1"
    seen = build.shell("api", "uv sync || echo refused; uv run alembic history | wc -l")
    assert seen.split() == ["refused", "2"]


def test_system_packages_are_installed_where_they_are_asked_for(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build.shell("bot", "command -v xxd || echo none") == "none"
    monkeypatch.setenv("SYSTEM_PACKAGES", "xxd")
    asked = bake(build.source, "bot", "api")
    try:
        assert asked.shell("bot", "command -v xxd") == asked.shell("api", "command -v xxd") != ""
        shared = asked.layers("bot")[: PACKAGES + 1]
        assert asked.layers("api")[: len(shared)] == shared
        assert build.layers("bot")[: PACKAGES + 1] == shared, "the packages' layer is another one"
    finally:
        forget(asked)


@pytest.mark.parametrize("name", ["bot", "api"])
def test_development_packages_stay_out(build: Build, name: str) -> None:
    packages = build.shell(name, "ls /app/.venv/lib/python3*/site-packages").split()
    assert {"aiogram", "alembic", "fastapi"} <= set(packages)
    assert not {"pytest", "pip", "setuptools"} & set(packages)


@pytest.mark.parametrize(
    ("name", "present"),
    [
        ("bot", [".venv", "data", "pyproject.toml", "src", "uploads", "uv.lock"]),
        (
            "api",
            [
                ".venv",
                "alembic.ini",
                "data",
                "migrations",
                "pyproject.toml",
                "src",
                "uploads",
                "uv.lock",
            ],
        ),
        ("frontend", [".next", "node_modules", "package.json", "server.js"]),
    ],
)
def test_only_its_inputs_get_in(build: Build, name: str, present: list[str]) -> None:
    assert build.shell(name, "ls -A /app").split() == present


def test_bot_and_api_share_the_layer_of_their_packages(build: Build) -> None:
    bot, api = build.layers("bot"), build.layers("api")
    shared = bot[: PACKAGES + 1]
    assert shared == api[: len(shared)]


def test_both_dockerfiles_say_the_same_of_the_shared_stage() -> None:
    marks = re.compile(
        r"^# -- The same text.*^# -- End of the shared text\.$", re.DOTALL | re.MULTILINE
    )
    texts = {
        marks.findall((DOCKERFILES / f"Dockerfile.{name}").read_text())[0]
        for name in ("bot", "api")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("folder", ["alembic", "db/versions", ""])
def test_migrations_lie_where_the_environment_says(
    build: Build, tmp_path: Path, folder: str
) -> None:
    source = variant(build, tmp_path)
    if folder:
        (source / folder).parent.mkdir(exist_ok=True)
        (source / "migrations").rename(source / folder)
    else:
        shutil.rmtree(source / "migrations")
        (source / "alembic.ini").unlink()
    built = bake(source, f"--set=api.args.MIGRATIONS={folder}", "api")
    try:
        listed = built.shell(
            "api", "find . -name env.py -not -path './.venv/*' -o -name alembic.ini"
        )
        found = [f"./{folder}/env.py", "./alembic.ini"] if folder else []
        assert sorted(listed.split()) == sorted(found)
    finally:
        forget(built)


def test_packages_installed_anew_are_installed_once_and_make_the_same_layer(
    build: Build, tmp_path: Path
) -> None:
    lock = variant(build, tmp_path) / "uv.lock"
    lock.write_text(f"{lock.read_text()}# {uuid.uuid4()}\n")
    again = bake(lock.parent, "bot", "api")
    try:
        assert len(re.findall(r"Installed \d+ packages", again.log)) == 1
        known = build.layers("bot")[: PACKAGES + 1]
        assert again.layers("bot")[: len(known)] == known
        assert again.layers("api")[: len(known)] == known
    finally:
        forget(again)


def test_a_changed_line_changes_the_last_layer_alone(build: Build, tmp_path: Path) -> None:
    version = variant(build, tmp_path) / "src" / "version.py"
    builds = []
    try:
        for _ in range(2):
            version.write_text(f'VERSION = "{uuid.uuid4()}"\n')
            builds.append(bake(tmp_path / "homeguru", "api"))
        before, after = (each.layers("api") for each in builds)
        assert before[:-1] == after[:-1]
        assert before[-1] != after[-1]
    finally:
        for each in builds:
            forget(each)


@pytest.mark.parametrize("name", NAMES)
def test_how_it_starts_stops_and_is_probed(build: Build, name: str) -> None:
    config = build.inspect(name)["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Cmd"][0] in ("/app/.venv/bin/python", "node")
    assert config["Healthcheck"]["StartPeriod"] > 0
    assert config["Healthcheck"]["StartInterval"] == 1_000_000_000


def test_labels_come_from_outside(build: Build) -> None:
    labels = build.inspect("api")["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == "abc123"
    assert labels["org.opencontainers.image.title"] == "HomeGuru API"


def test_the_bot_says_in_one_line_that_its_token_is_missing(build: Build) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", build.image("bot")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["TELEGRAM_BOT_TOKEN is missing or malformed"]


def test_the_page_is_served_and_names_its_api(build: Build) -> None:
    run = ("run", "--detach", "--network=none", build.image("frontend"))
    container = docker(*run, "pnpm", "start")
    try:
        deadline = time.monotonic() + 30
        while docker("inspect", "--format={{.State.Health.Status}}", container) != "healthy":
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.2)
        fetch = "fetch('http://127.0.0.1:3000/').then(r => r.text()).then(console.log)"
        assert PAGE_ASKS in docker("exec", container, "node", "-e", fetch)
        docker("stop", container)
        assert docker("inspect", "--format={{.State.ExitCode}}", container) in ("0", "143")
    finally:
        docker("rm", "--force", container)
