"""What a release's paths are made of: a deploy, one that must fail, and what nobody may notice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from tests.e2e.conftest import World
from tests.e2e.zero.figures import Taken

START = "settings = Settings"
NEVER = f'raise SystemExit("broken on purpose")\n{START}'
LATE = f"import os, threading\nthreading.Timer(25, os._exit, [1]).start()\n{START}"
ROUTER = "app.include_router(router)"
ALONE = f"""{ROUTER}

@app.middleware("http")
async def from_here_alone(request, call_next):
    if request.client.host in ("127.0.0.1", "::1"):
        return await call_next(request)
    return Response(status_code=503)
"""
"""Healthy by its own check, and nobody else gets an answer."""
BROKEN_PAGE = "frontend/app/instrumentation.ts"
PAGE_ENDS = (
    "export function register() {\n"
    '  if (process.env.NEXT_PHASE !== "phase-production-build") process.exit(3);\n}\n'
)
"""The page is built well, and its server ends as soon as it starts."""


def unnoticed(found: Taken) -> None:
    """Nobody's request failed or had its effect twice, no update was lost."""
    assert found.during.failed == [], found.during.what_failed
    assert (found.doubled, found.lost) == (0, 0)
    assert len(found.during.asked) > 0.6 * found.rate * found.seconds, (
        "too few requests: this proves nothing"
    )


def deploy(world: World, release: str) -> None:
    ended = world.homeguru("deploy", release, "--env", "sandbox")
    assert ended.code == 0, ended.stderr


def failing(world: World, release: str, said: str) -> Callable[[], None]:
    """A deploy that must fail and say why."""

    def take() -> None:
        ended = world.homeguru("deploy", release, "--env", "sandbox")
        assert (ended.code, said in ended.stderr) == (1, True), ended.stderr

    return take


@contextmanager
def versions(world: World) -> Iterator[list[str]]:
    """The version of each of the api's answers meanwhile, ten a second."""
    seen: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.1):
            seen.append(world.version())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code < 400
    except httpx.HTTPError:
        return False


@contextmanager
def changed(world: World, before: str, after: str) -> Iterator[None]:
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace(before, after, 1))
    try:
        yield
    finally:
        file.write_text(text)
