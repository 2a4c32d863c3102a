"""An application that its authors start by `docker compose up`: one Dockerfile of its own, at the root.

It goes through publish, deploy, a second release and a rollback with no change of its source.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import World, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.database]

FILES = {
    "Dockerfile": """\
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS base
WORKDIR /srv
ARG FOLDER=app
COPY /${FOLDER}/ ./
COPY ["words.txt", "./"]
ARG GREETING
ENV GREETING=$GREETING

FROM base AS worker
CMD ["python3", "-u", "worker.py"]

FROM base
CMD ["python3", "-u", "web.py"]
""",
    ".dockerignore": "# as docker build reads it\n**/*.md\n.git\n",
    "README.md": "An application.\n",
    "words.txt": "one\n",
    "app/web.py": """\
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{os.environ['GREETING']} {open('words.txt').read()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.ThreadingHTTPServer(("", 4000), Page).serve_forever()
""",
    "app/worker.py": "import time\nwhile True: time.sleep(1)\n",
    "app/notes.md": "Not in the image.\n",
    "compose.yml": """\
services:
  web:
    build: { context: ., args: { GREETING: hello } }
    image: ${WEB_IMAGE}
    ports: ["8003:4000"]
    healthcheck:
      test: [CMD, python3, -c, "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4000/')"]
      interval: 5s
      start_period: 20s
      start_interval: 1s
  worker:
    build: { context: ., target: worker }
    image: ${WORKER_IMAGE}
x-deploy: { v: 1, order: [web, worker] }
""",
}

ENVIRONMENT = """\
v = 1
project = "own"
directory = "/opt/systech/sunko"
compose = "{compose}"
push_registry = "{registry}"
pull_registry = "localhost:5000"
repository = "acme/own-{{service}}"
healthy_within = 30
[host]
address = "127.0.0.1"
port = {ssh_port}
user = "{ssh_user}"
key_file = "{ssh_key}"
host_keys = ["{host_key}"]
tunnel_registry = true
[build]
GREETING = "hello"
[need]
disk_mb = 1024
[watch]
every = 0
"""

DOCKERFILES = """\
[dockerfiles]
web = "Dockerfile"
worker = { file = "Dockerfile", target = "worker" }
"""


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The application in a repository of its own, and an environment that names its Dockerfile."""
    place = tmp_path_factory.mktemp("own")
    for path, text in FILES.items():
        (place / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "source" / path).write_text(text)
    with world_of_its_own("own", place, f"{prefect}/api", place / "source") as found:
        info = found.info
        text = ENVIRONMENT.format(
            compose=found.repository / "compose.yml", registry=info.registry,
            ssh_port=info.ssh_port, ssh_user=info.ssh_user, ssh_key=info.ssh_key,
            host_key=info.host_key,
        )  # fmt: skip
        for name, more in (("own", DOCKERFILES), ("bare", "")):
            (found.environments / f"{name}.toml").write_text(f"{text}{more}")
        yield found


def release(world: World) -> dict:
    return world.ok("release", "--env", "own", "--source", str(world.repository))


def says(world: World) -> str:
    return httpx.get(world.info.api_url, trust_env=False).text


def listed(image: str) -> list[str]:
    words = ["docker", "run", "--rm", "--network=none", image, "sh", "-c", "ls -A"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def test_what_compose_would_build_is_refused_with_the_lines_to_write(world: World) -> None:
    ended = world.homeguru("publish", "--env", "bare", "--source", str(world.repository))
    assert ended.code == 2, ended.stdout + ended.stderr
    assert "`build` of web, worker is not followed" in ended.stderr
    line = 'worker = { file = "Dockerfile", context = ".", target = "worker" }'
    assert '`web = "Dockerfile"`' in ended.stderr
    assert f"`{line}`" in ended.stderr


def test_it_is_released(world: World) -> None:
    release(world)
    assert says(world) == "hello one\n"
    assert world.ok("deploy", "--env", "own")["changed"] is False
    published = world.ok("publish", "--env", "own", "--source", str(world.repository))
    web, worker = (published["services"][name] for name in ("web", "worker"))
    assert web["built"] and worker["built"] and web["digest"] != worker["digest"]
    image = f"{world.info.registry}/{web['repository']}@{web['digest']}"
    subprocess.run(["docker", "pull", "-q", image], check=True, capture_output=True)
    assert listed(image) == ["web.py", "words.txt", "worker.py"]


def test_what_its_dockerignore_leaves_out_is_no_input(world: World) -> None:
    def digests() -> str:
        found = world.ok("publish", "--env", "own", "--source", str(world.repository))
        return json.dumps(found["services"])

    before = digests()
    world.edit({"app/notes.md": ("Not", "Never"), "README.md": ("An", "The")}, "notes")
    assert digests() == before


def test_a_second_release_and_the_way_back(world: World) -> None:
    world.edit({"words.txt": ("one", "two")}, "two")
    release(world)
    assert says(world) == "hello two\n"
    world.ok("rollback", "1", "--env", "own")
    assert says(world) == "hello one\n"


def test_a_build_that_fails_names_the_service(world: World) -> None:
    with world.broken(
        {"Dockerfile": ('CMD ["python3", "-u", "worker.py"]', "RUN false")}, "broken"
    ):
        ended = world.homeguru("publish", "--env", "own", "--source", str(world.repository))
    assert ended.code == 1, ended.stdout + ended.stderr
    assert "the build of worker failed" in ended.stderr
