"""What the edge answers by itself, on a real server, in order: in maintenance, through a release, a
restart and a restore; and the status page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.test_database import deploy, rows, write

pytestmark = [pytest.mark.e2e, pytest.mark.database]

PAGE = "Временно недоступно"
ON = ("maintenance", "on", "--env", "sandbox")
OFF = ("maintenance", "off", "--env", "sandbox")


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("maintenance", tmp_path_factory.mktemp("maintenance"), "") as found:
        yield found


@contextmanager
def asking(url: str) -> Iterator[list[httpx.Response]]:
    """Every answer of an address meanwhile; one that is none is an error of the test."""
    answers: list[httpx.Response] = []
    failed: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(httpx.get(url, trust_env=False, timeout=10))
            except httpx.HTTPError as error:
                failed.append(error)
            time.sleep(0.1)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join(30)
    assert failed == []
    assert answers


def in_maintenance(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and "X-Edge-Maintenance" in answer.headers


def answers_of(world: World, **headers: str) -> list[httpx.Response]:
    """Of both ports."""
    urls = (world.info.api_url, world.info.frontend_url)
    return [httpx.get(url, headers=headers, trust_env=False) for url in urls]


def test_on_answers_everybody_and_touches_no_container(world: World) -> None:
    first = deploy(world)
    assert first.code == 0, first.stderr
    write(world, 5)
    containers = world.containers()
    begin = time.monotonic()
    ended = world.ok(*ON, "--reason", "a bigger disk")
    took = time.monotonic() - begin
    assert (ended["changed"], [s["step"] for s in ended["steps"]]) == (True, ["maintenance on"])
    for answer in answers_of(world):
        assert in_maintenance(answer), answer
        assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == (
            "60",
            "no-store",
        )
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert PAGE in answer.text
    for answer in answers_of(world, Accept="application/json, text/plain"):
        assert in_maintenance(answer)
        assert answer.json() == {"error": "temporarily unavailable"}
    assert world.containers() == containers
    noted = world.ok("status", "--env", "sandbox")["maintenance"]
    assert noted["reason"] == "a bigger disk"
    assert noted["since"].startswith("20")
    line = world.ledger()[-1]
    assert (line["verb"], line["outcome"], line["reason"]) == ("maintenance", "ok", "a bigger disk")
    assert (line["who"], line["release"]) == (noted["by"], first.json["release"])
    say(f"maintenance on after {took:.1f} s")


def test_on_again_changes_nothing_and_another_reason_only_that(world: World) -> None:
    lines, file = world.ledger(), world.on_server("stat -c %y edge/haproxy.cfg")
    again = world.ok(*ON)
    assert not again["changed"]
    assert again["notes"][0].endswith(": a bigger disk")
    assert world.ledger() == lines
    since = world.ok("status", "--env", "sandbox")["maintenance"]["since"]
    renewed = world.ok(*ON, "--reason", "a slow copy")
    assert renewed["changed"]
    noted = world.ok("status", "--env", "sandbox")["maintenance"]
    assert (noted["reason"], noted["since"]) == ("a slow copy", since)
    assert world.on_server("stat -c %y edge/haproxy.cfg") == file


def test_a_release_goes_through_behind_it(world: World) -> None:
    world.rename("v2")
    with asking(world.info.api_url) as answers:
        ended = deploy(world)
    assert ended.code == 0, ended.stderr
    assert all(map(in_maintenance, answers))
    outside = [c for c in ended.json["checks"] if c["check"] == "outside"]
    assert outside
    assert all(c["detail"].endswith(", maintenance is on") for c in outside)
    verified = world.homeguru("verify", "--env", "sandbox", "--json")
    assert verified.code == 0, verified.stdout + verified.stderr


def test_an_edge_that_was_restarted_still_answers(world: World) -> None:
    world.on_server(
        "docker restart -t 5 $(docker ps -q --filter label=com.docker.compose.service=edge)"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if all(map(in_maintenance, answers_of(world))):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("the edge does not answer by itself any more")


def test_off_lets_the_new_release_answer(world: World) -> None:
    containers = world.containers()
    assert world.ok(*OFF)["changed"]
    assert [answer.status_code for answer in answers_of(world)] == [200, 200]
    assert (world.version(), world.containers()) == ("v2", containers)
    assert world.ok("status", "--env", "sandbox")["maintenance"] is None
    lines = [line for line in world.ledger() if line["verb"] == "maintenance"]
    assert [s["step"] for line in lines for s in line["steps"]] == [
        "maintenance on", "maintenance on", "maintenance off",
    ]  # fmt: skip
    assert world.homeguru("verify", "--env", "sandbox").code == 0
    assert world.homeguru("audit", "verify", "--env", "sandbox").code == 0
    again = world.homeguru(*OFF)
    assert again.code == 0
    assert "nothing to do: maintenance is off" in again.stdout


def test_a_restore_answers_with_the_page_meanwhile(world: World) -> None:
    world.ok("backup", "--env", "sandbox")
    before = rows(world)
    write(world, 3)
    with asking(world.info.api_url) as answers:
        ended = world.homeguru("restore", "--env", "sandbox", "--json", "--approve", "a test")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert rows(world) == before
    away = [answer for answer in answers if answer.status_code != 200]
    assert away, "the database was exchanged and nobody noticed: this proves nothing"
    for answer in away:
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "60"), answer
        assert PAGE in answer.text
        assert "X-Edge-Maintenance" not in answer.headers
    say(f"{len(away)} of {len(answers)} requests met the page during the restore")


def worker_of(world: World) -> str:
    """When the edge's process that serves was started: a reload starts another one."""
    return world.on_server(
        "docker exec $(docker ps -q --filter label=com.docker.compose.service=edge) bash -c "
        "'for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" != haproxy ] || echo $p; done' | sort"
    )


def test_the_status_page_follows_releases_without_a_reload(world: World) -> None:
    url = f"{world.info.frontend_url.rstrip('/')}/status"
    before = httpx.get(url, trust_env=False)
    file = world.environments / "sandbox.toml"
    file.write_text(f'{file.read_text()}\n[edge]\nstatus_page = "/status"\n')
    named = world.publish()
    first = world.ok("deploy", named, "--env", "sandbox")
    assert "reload edge" in [s["step"] for s in first["steps"]]
    shown = httpx.get(url, trust_env=False)
    assert shown.status_code == 200 != before.status_code
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert first["release"] in shown.text
    assert "✓" in shown.text
    # The application has every other path, and the API its own.
    assert [answer.status_code for answer in answers_of(world)] == [200, 200]
    worker = worker_of(world)
    assert worker
    world.rename("v3")
    second = deploy(world)
    assert second.code == 0, second.stderr
    renewed = httpx.get(url, trust_env=False).text
    assert second.json["release"] in renewed
    assert first["release"] not in renewed
    assert worker_of(world) == worker
    world.on_server(
        "docker restart -t 5 $(docker ps -q --filter label=com.docker.compose.service=edge)"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).text == renewed:
                break
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    assert httpx.get(url, trust_env=False).text == renewed
    assert not world.ok("deploy", "current", "--env", "sandbox")["changed"]
    assert world.homeguru("verify", "--env", "sandbox").code == 0
