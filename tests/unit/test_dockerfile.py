"""What a Dockerfile wants of its context, read as BuildKit reads it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from deployments.build.dockerfile import arguments, base_images, images, required, started
from deployments.build.dockerignore import Dockerignore
from infra.control.image import PARTS

DOCKER = Path(__file__).resolve().parents[2] / "docker"


@pytest.mark.parametrize(
    ("image", "sources"),
    [
        ("api", ["pyproject.toml", "uv.lock", "alembic.ini", "migrations", "src"]),
        ("bot", ["pyproject.toml", "uv.lock", "src"]),
        ("frontend",
         ["frontend/app/package.json", "frontend/app/pnpm-lock.yaml", "frontend/app"]),
    ],
)  # fmt: skip
def test_what_our_own_dockerfiles_cannot_do_without(image, sources):
    assert required((DOCKER / f"Dockerfile.{image}").read_text()) == sources


STAGES = """\
FROM python:3.12 AS Base
COPY src ./src
FROM base AS test
COPY tests ./tests
FROM node:20 AS page
COPY page ./
FROM base AS tools
COPY --from=busybox /bin/sh /x
FROM base AS prod
COPY --from=page /out /out
COPY start ./
FROM prod AS debug
RUN --mount=from=tools,target=/t --mount=type=bind,source=scripts,target=/s true
"""


@pytest.mark.parametrize(
    ("target", "sources", "bases"),
    [
        ("prod", ["src", "page", "start"], ["python:3.12", "node:20"]),
        ("Test", ["src", "tests"], ["python:3.12"]),
        ("", ["src", "page", "start", "scripts"], ["python:3.12", "node:20", "busybox"]),
        ("4", ["src", "page", "start"], ["python:3.12", "node:20"]),
        (None, ["src", "tests", "page", "start", "scripts"], ["python:3.12", "node:20", "busybox"]),
        ("nobody", ["src", "tests", "page", "start", "scripts"], ["python:3.12", "node:20", "busybox"]),
    ],
)  # fmt: skip
def test_a_stage_that_the_target_does_not_need_wants_nothing(target, sources, bases):
    assert required(STAGES, target=target) == sources
    assert images(STAGES, target=target) == bases


def test_the_control_planes_image_gets_all_that_the_wheel_is_made_of():
    project = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    given = required((DOCKER / "Dockerfile.flows").read_text())
    ignored = Dockerignore((DOCKER / "Dockerfile.flows.dockerignore").read_text())
    for part in [*wheel["force-include"], *wheel["packages"]]:
        assert part in given
        assert ignored.lets_in(part if "." in part else f"{part}/x.txt")
        # A change of it makes another image.
        assert any(part == p or part.startswith(f"{p}/") for p in PARTS)


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        ("COPY a b/ ./", ["a", "b"]),
        ("copy a ./", ["a"]),
        ("COPY --chown=1:1 --chmod=755 a ./", ["a"]),
        ("COPY --from=build /x /y", []),
        ("COPY --chown=1 --from=build /x /y", []),
        ("COPY .python-versio[n] ./", []),
        ("COPY *.txt ./", []),
        ("COPY . .", []),
        ("COPY a \\\n  b \\\n  ./", ["a", "b"]),
        ("COPY a ./\nCOPY a b ./", ["a", "b"]),
        ("COPY <<EOF /etc/x", []),
        ("RUN cp a b", []),
    ],
)
def test_sources_of_a_copy(line, sources):
    assert required(f"FROM x\n{line}\n") == sources


def test_declared_arguments():
    assert arguments("ARG A\nARG B=1\n# ARG C\nRUN echo ARG D\n") == {"A", "B"}


def test_base_images():
    text = "ARG A=python:3.11\nARG B\nFROM ${A} AS x\nFROM ${B}\nFROM alpine\nFROM x\n"
    assert base_images(text) == {"A": "python:3.11", "B": ""}


@pytest.mark.parametrize(
    "line", ["FROM ${A}", "from $A as x", "FROM --platform=$BUILDPLATFORM ${A} AS x", "  FROM ${A}"]
)
def test_ways_to_name_a_base_image(line):
    assert base_images(f'ARG A="python:3.11"\n{line}\n') == {"A": "python:3.11"}


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("COPY /src/app /app", ["src/app"]),
        ("COPY ./src ../web ./", ["src", "web"]),
        ("COPY / /app/", []),
        ('COPY ["a b", "c", "/x/"]', ["a b", "c"]),
        ('COPY "a" b/', ["a"]),
        ("ADD a /a", ["a"]),
        ("ADD https://example.org/x.tgz git@example.org:a/b.git /x", []),
        ("ADD --checksum=sha256:1 https://example.org/x.tgz /x", []),
        ("COPY --exclude=*.md --link a ./", ["a"]),
        ("ARG DIR=web\nCOPY ${DIR}/ ./", ["web"]),
        ("ARG DIR=web\nCOPY $DIR/a ./", ["web/a"]),
        ("ARG DIR\nCOPY ${DIR:-web}/ ./", ["web"]),
        ("ARG DIR\nCOPY ${DIR}/x ./", ["x"]),
        ("ARG A=web B=api\nCOPY ${A} ${B} ./", ["web", "api"]),
        ("ENV DIR=web\nCOPY ${DIR} ./", ["web"]),
        ("ENV DIR web\nCOPY ${DIR} ./", ["web"]),
        ("ARG A=web\nENV B=$A/app\nCOPY ${B} ./", ["web/app"]),
        ('ARG DIR="web app"\nCOPY ["${DIR}", "./"]', ["web app"]),
        ("ARG A=\nARG B=${A:+b.ini}\nCOPY ${B:-b.in[i]} ./", []),
        ("ARG A=1\nARG B=${A:+b.ini}\nCOPY ${B:-b.in[i]} ./", ["b.ini"]),
        ("COPY python-${PYTHON_VERSION}.txt ./", []),
        ("ARG TARGETARCH\nCOPY bin-${TARGETARCH} ./", []),
        ("ARG V=a-b\nCOPY ${V%-b} ./", []),
        ("RUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync", ["uv.lock"]),
        ("RUN --mount=source=a,target=a --mount=type=bind,from=x,source=b,target=b c", ["a"]),
        ("RUN --mount=type=secret,id=x,source=a true", []),
        ("RUN <<EOF\nCOPY a ./\nEOF\nCOPY b ./", ["b"]),
        ("RUN <<END-OF-FILE cat > /x\nCOPY a ./\nEND-OF-FILE\nCOPY b ./", ["b"]),
        # No text of its own: to the shell it is a word, or a part of one.
        ('RUN cat <<<"hello"\nCOPY b ./', ["b"]),
        ("RUN echo $((A<<B))\nCOPY b ./", ["b"]),
        ('RUN echo "a <<b"\nCOPY b ./', ["b"]),
        ("COPY <<A <<'B' /x/\nCOPY a ./\nA\nCOPY a ./\nB\nCOPY b ./", ["b"]),
        ("COPY a \\\n# not this\n\n  b \\\n ./", ["a", "b"]),
        ("# COPY a ./\n   COPY b ./", ["b"]),
        ("ONBUILD COPY a ./", []),
    ],
)  # fmt: skip
def test_ways_to_name_a_source(text, sources):
    assert required(f"FROM x\n{text}\n") == sources


def test_the_escape_of_windows():
    assert required("# escape=`\nFROM x\nCOPY a `\n  b ./\n") == ["a", "b"]


def test_a_given_argument_wins_over_its_default():
    text = "FROM x\nARG DIR=web\nCOPY ${DIR}/ ./\n"
    assert required(text, {"DIR": "api"}) == ["api"]


def test_arguments_hold_from_where_they_are_declared_to_the_end_of_the_stage():
    text = "ARG DIR=web\nFROM x AS a\nARG DIR\nCOPY ${DIR} ./\nFROM y\nCOPY ${DIR}/b ./\n"
    assert required(text) == ["web"]
    assert required(f"{text}FROM a\nCOPY $DIR/c ./\n") == ["web", "web/c"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM python:3.11-slim", ["python:3.11-slim"]),
        ("from --platform=linux/amd64 node:20 as build\nFROM build\nFROM scratch", ["node:20"]),
        ("ARG V=3.11\nFROM python:${V}-slim", ["python:3.11-slim"]),
        ("FROM a\nCOPY --from=ghcr.io/astral-sh/uv:0.5 /uv /bin/", ["a", "ghcr.io/astral-sh/uv:0.5"]),
        ("FROM a AS b\nFROM c\nCOPY --from=b /x /\nCOPY --from=0 /y /", ["a", "c"]),
        ("FROM a\nRUN --mount=type=bind,from=uv:1,source=/uv,target=/uv true", ["a", "uv:1"]),
        ("FROM ${NOBODY_KNOWS}", []),
    ],
)  # fmt: skip
def test_images_of_others(text, found):
    assert images(text) == found


def test_an_image_of_a_given_argument():
    assert images("ARG V=1\nFROM a:${V}\n", {"V": "2"}) == ["a:2"]


@pytest.mark.parametrize(
    ("image", "modules"),
    [("api", ["src.api.main"]), ("bot", ["src.bot.main"]), ("frontend", [])],
)
def test_modules_that_our_own_images_start(image, modules):
    assert started((DOCKER / f"Dockerfile.{image}").read_text()) == modules


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        ('["python3", "-u", "worker.py"]', []),
        ('["node", "worker.js"]', []),
        ('["python3", "-m", "worker.main"]', ["worker.main"]),
        ('["gunicorn", "worker.main:app"]', ["worker.main"]),
    ],
)
def test_a_file_that_is_started_is_no_module_of_the_folder_of_its_name(command, modules):
    assert started(f"FROM x\nCOPY worker/ ./\nCMD {command}\n") == modules


def test_a_command_as_a_line_names_none():
    assert started("FROM x\nCMD python -m src.main\n") == []
    assert started("FROM x\n") == []


def test_from_is_an_option_only_where_options_stand() -> None:
    """Behind a command it is the command's: `ruff` is an image of nobody's."""
    text = (
        "FROM python:3\nRUN --network=none --mount=type=bind,from=assets:1,target=/a uvx --from=ruff==0.4 x\n"
        "COPY --chown=1:1 --from=other:2 /b /b\n"
    )
    assert images(text) == ["python:3", "assets:1", "other:2"]
