"""A leak planted in each channel of a real story: the same reading and searching has to report it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from infra.engine.client import docker
from infra.engine.login import logged_in
from tests.security.guarded import ACCOUNT, Guarded
from tests.security.planting import TEXTS
from tests.security.story import Story

PREFIX = "planted in "
WAYS = (
    "plain", "base64", "base64 after one byte", "base64 after two bytes", "hex", "JSON", "repr",
    "percent-encoded throughout", "base64 twice",
)  # fmt: skip


def name_of(channel: str, way: str) -> str:
    """What a planted secret is called in findings."""
    return f"{PREFIX}{channel}, {way}"


def plant(world: Guarded, story: Story) -> None:
    """One secret for each channel and each way of writing it."""
    for channel, into in CHANNELS.items():
        texts = [
            TEXTS[way](world.maker.secret(name_of(channel, way), between="-._").value).decode()
            for way in WAYS
        ]
        into(world, story, texts)


def _container(world: Guarded, service: str) -> str:
    return world.containers()[service].partition(" ")[0]


def _output(world: Guarded, _: Story, texts: list[str]) -> None:
    ended = world.homeguru("exec", "--env", "sandbox", "api", "--", "printf", "%s\\n", *texts)
    assert ended.code == 0, ended.stderr
    # Its name holds the words of the command: only what it printed counts.
    last = world.printed.pop()
    world.printed.append(type(last)(last.channel, "printf", last.data))


def _prefect(world: Guarded, _: Story, texts: list[str]) -> None:
    with sqlite3.connect(world.state / "prefect" / "prefect.db") as opened:
        rows = opened.execute("SELECT rowid FROM log ORDER BY rowid LIMIT ?", [len(texts)])
        for (row,), text in zip(rows.fetchall(), texts, strict=True):
            # Long enough for pages of its own.
            message = f"{os.urandom(4000).hex()} {text} {os.urandom(4000).hex()}"
            opened.execute("UPDATE log SET message = ? WHERE rowid = ?", [message, row])


def _file(path: Path, texts: list[str]) -> None:
    with path.open("a") as file:
        file.write("\n".join(texts))


def _state(world: Guarded, _: Story, texts: list[str]) -> None:
    _file(world.state / "left.json", texts)


def _workflow(_: Guarded, story: Story, texts: list[str]) -> None:
    _file(next(story.runner.glob("*/temp/summary")), texts)


def _deployer(world: Guarded, _: Story, texts: list[str]) -> None:
    _file(world.folder / "tmp" / "left", texts)


def _notices(world: Guarded, _: Story, texts: list[str]) -> None:
    half = len(texts) // 2
    httpx.post(f"http://{world.hooked}/", content="\n".join(texts[:half]), trust_env=False)
    bot = f"{world.info.telegram_control_url}/bot7:abcdef/sendMessage"
    for text in texts[half:]:
        httpx.post(bot, json={"chat_id": 1, "text": text}, trust_env=False).raise_for_status()


def _copies(world: Guarded, _: Story, texts: list[str]) -> None:
    assert world.bucket
    world.bucket.put("left", "\n".join(texts).encode())


def _words(world: Guarded, _: Story, texts: list[str]) -> None:
    half = len(texts) // 2
    subprocess.run(["true", *texts[:half]], check=True)
    docker(
        "exec", world.info.server, "docker", "exec", _container(world, "api"), "true", *texts[half:]
    )


def _events(world: Guarded, _: Story, texts: list[str]) -> None:
    docker("exec", world.info.server, "docker", "exec", _container(world, "api"), "echo", *texts)


def _inspected(world: Guarded, _: Story, texts: list[str]) -> None:
    server = world.info.server
    image = docker(
        "exec", server, "docker", "inspect", "-f", "{{.Image}}", _container(world, "edge")
    )
    labels = [word for n, text in enumerate(texts) for word in ("--label", f"left{n}={text}")]
    docker("exec", server, "docker", "create", "--name", "left", *labels, image)
    # Seen when it is made, and away like one of a migration.
    docker("exec", server, "sleep", "2")
    docker("exec", server, "docker", "rm", "left")


def _server(world: Guarded, _: Story, texts: list[str]) -> None:
    write = ("exec", "-i", "-u", "systech", world.info.server, "bash", "-c", "cat > /tmp/left")
    docker(*write, data="\n".join(texts).encode())


def _layer(world: Guarded, _: Story, texts: list[str]) -> None:
    write = ("docker", "exec", "-i", _container(world, "api"), "sh", "-c", "cat > /tmp/left")
    docker("exec", "-i", world.info.server, *write, data="\n".join(texts).encode())


def _registry(world: Guarded, _: Story, texts: list[str]) -> None:
    """Half as labels, half in a file of a layer."""
    half, registry = len(texts) // 2, world.info.registry
    labels = [
        word for n, text in enumerate(texts[:half]) for word in ("--label", f"left{n}={text}")
    ]
    login = (registry, ACCOUNT, world.values["REGISTRY_TOKEN"])
    with TemporaryDirectory() as folder, logged_in(login) as variables:
        Path(folder, "Dockerfile").write_text("FROM scratch\nCOPY left /left\n")
        Path(folder, "left").write_text("\n".join(texts[half:]))
        words = [
            "docker",
            "buildx",
            "build",
            "-q",
            *labels,
            "-t",
            f"{registry}/left",
            "--push",
            folder,
        ]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, **variables})


def _logs(world: Guarded, _: Story, texts: list[str]) -> None:
    write = ("exec", "-i", world.info.server, "bash", "-c", "cat > /proc/1/fd/1")
    docker(*write, data="\n".join([*texts, ""]).encode())


CHANNELS: dict[str, Callable[[Guarded, Story, list[str]], None]] = {
    "output": _output,
    "prefect database": _prefect,
    "state files": _state,
    "workflow files": _workflow,
    "deployer files": _deployer,
    "notices": _notices,
    "copies elsewhere": _copies,
    "process words": _words,
    "docker events": _events,
    "docker inspect": _inspected,
    "server files": _server,
    "container layers": _layer,
    "registry": _registry,
    "container logs": _logs,
}  # fmt: skip
