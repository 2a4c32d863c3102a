"""An application as people write it: it writes beside its code, fetches a model, polls late, has a rival."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.conftest import World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.database]
EXEC = "docker exec $(docker ps -q --filter label=com.docker.compose.service={service}) {words}"


@pytest.fixture(scope="module")
def ordinary(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("ordinary", tmp_path_factory.mktemp("ordinary"), "") as found:
        # The model of the tests takes half a minute on an idle machine.
        configure(found, "healthy_within = 90")
        yield found


def inside(world: World, service: str, words: str) -> str:
    """What a command prints in a service's container."""
    return world.on_server(EXEC.format(service=service, words=words))


def configure(world: World, line: str) -> None:
    """Set a top-level key of the environment."""
    file = world.environments / "sandbox.toml"
    name = line.partition(" =")[0]
    lines = [x for x in file.read_text().splitlines() if not x.startswith(f"{name} =")]
    file.write_text("\n".join([line, *lines]) + "\n")


def release(world: World) -> dict:
    words = ("release", "--env", "sandbox", "--source", str(world.repository))
    return world.ok(*words)


def token(world: World) -> str:
    text = (world.environments / "sandbox.secrets.env").read_text()
    (line,) = [x for x in text.splitlines() if x.startswith("TELEGRAM_BOT_TOKEN=")]
    return line.partition("=")[2]


def polls(world: World) -> list[list[float]]:
    url = f"{world.info.telegram_control_url}/_polls"
    return list(httpx.get(url, params={"token": token(world)}, trust_env=False).json())


def longest_gap(world: World, since: float) -> float:
    """Seconds in which nobody polled."""
    known = [p for p in polls(world) if p[0] >= since]
    return max(later[0] - max(p[1] for p in known[: n + 1]) for n, later in enumerate(known[1:]))


@contextmanager
def rival(world: World) -> Iterator[None]:
    """Another poller with the bot's token, as on somebody's laptop."""
    over = threading.Event()
    url = f"{world.info.telegram_control_url}/bot{token(world)}/getUpdates"

    def poll() -> None:
        while not over.is_set():
            answer = httpx.get(url, params={"timeout": 20}, timeout=40, trust_env=False)
            over.wait(1 if answer.status_code == 409 else 0)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_bot_that_loads_for_half_a_minute_is_waited_for(ordinary: World) -> None:
    ordinary.set_variable("LLM_MODEL", "local/30")
    release(ordinary)
    assert "model local/30 is loaded" in inside(ordinary, "bot", "cat bot.log")
    assert polls(ordinary)


def test_it_writes_beside_its_code_and_cannot_change_it(ordinary: World) -> None:
    photo = httpx.post(f"{ordinary.info.api_url}/photos", content=b"x" * 1000, trust_env=False)
    assert photo.json() == {"size": 1000, "said": "thank you for the photo"}
    assert inside(ordinary, "api", "stat -c %s uploads/last.jpg").strip() == "1000"
    tries = "echo >> src/version.py || mv src s || touch src/x || touch .venv/x || echo kept"
    assert inside(ordinary, "api", f"sh -c '{tries}' 2>/dev/null").strip() == "kept"


def test_what_is_kept_outlasts_a_release_and_is_prepared_before_the_stop(ordinary: World) -> None:
    configure(ordinary, 'keep = { bot = ["/home/app/.cache"], api = ["/app/uploads"] }')
    ordinary.set_variable("LLM_MODEL", "local/25")
    ordinary.set_variable("BOT_PREPARE", "python -m src.bot.model")
    plan = ordinary.ok("plan", "newest", "--env", "sandbox")
    assert "prepare bot" in [s["step"] for s in plan["steps"]]
    begin = time.time()
    ordinary.ok("deploy", "newest", "--env", "sandbox")
    gap = longest_gap(ordinary, begin - 15)
    say(f"nobody polled for {gap:.1f} s, of a start that takes 25")
    assert gap < 15
    again = ordinary.ok("plan", "newest", "--env", "sandbox")
    assert again["changed"] is False, again
    ordinary.set_variable("LLM_MODEL", "local/26")
    next_time = ordinary.ok("plan", "newest", "--env", "sandbox")
    assert "s the last time, 120 s at most" in json.dumps(next_time["notes"])
    ordinary.set_variable("LLM_MODEL", "local/25")

    httpx.post(f"{ordinary.info.api_url}/photos", content=b"x" * 777, trust_env=False)
    ordinary.rename("v2")
    release(ordinary)
    assert ordinary.version() == "v2"
    assert inside(ordinary, "api", "stat -c %s uploads/last.jpg").strip() == "777"
    log = inside(ordinary, "bot", "cat bot.log")
    assert "model local/25 is in /home/app/.cache/homeguru" in log
    assert "fetching" not in log
    ordinary.ok("rollback", "previous", "--env", "sandbox")
    assert ordinary.version() == "v1"
    assert inside(ordinary, "api", "stat -c %s uploads/last.jpg").strip() == "777"


def test_what_cannot_be_prepared_stops_no_bot(ordinary: World) -> None:
    before = ordinary.containers()
    ordinary.set_variable("BOT_PREPARE", "echo no such model >&2; exit 3")
    ordinary.set_variable("COLLECTOR_MODE", "other")
    ended = ordinary.homeguru("deploy", "newest", "--env", "sandbox")
    assert ended.code == 1
    assert (
        "bot: its new image is not prepared, exit code 3; the old container runs on" in ended.stderr
    )
    assert "  bot | no such model" in ended.stderr
    assert ordinary.containers() == before


def test_a_start_without_end_is_undone_with_its_last_lines(ordinary: World) -> None:
    configure(ordinary, "healthy_within = { default = 45, bot = 12 }")
    ordinary.set_variable("LLM_MODEL", "local/600")
    ordinary.set_variable("BOT_PREPARE", "true")
    ended = ordinary.homeguru("deploy", "newest", "--env", "sandbox")
    assert ended.code == 1
    assert "is not ready within 12 s: no connection to " in ended.stderr
    assert "bot | INFO fetching model local/600" in ended.stderr
    assert "as before" in ended.stderr
    ordinary.set_variable("LLM_MODEL", "local/25")
    configure(ordinary, "healthy_within = 90")
    ordinary.ok("deploy", "newest", "--env", "sandbox")


def test_a_bot_that_telegram_refuses_is_not_well(ordinary: World) -> None:
    assert ordinary.ok("verify", "--env", "sandbox")["outcome"] == "ok"
    with rival(ordinary):
        time.sleep(3)
        seen = ordinary.homeguru("verify", "--env", "sandbox")
        ordinary.set_variable("COLLECTOR_MODE", "third")
        deployed = ordinary.homeguru("deploy", "newest", "--env", "sandbox")
    for ended in (seen, deployed):
        assert ended.code == 1, ended.stdout
        assert "bot log: " in ended.stdout + ended.stderr
        assert "TelegramConflictError" in ended.stdout + ended.stderr


def test_a_bot_that_takes_no_updates_is_not_well(ordinary: World) -> None:
    """Its connection is open and its process runs; it is stopped in the middle of a poll."""
    time.sleep(30)  # until its log is quiet again
    url = f"{ordinary.info.telegram_control_url}/_updates"
    stop = EXEC.format(
        service="bot",
        words="sh -c 'kill -{signal} $(grep -ls [s]rc.bot.main /proc/[0-9]*/cmdline | cut -d/ -f3)'",
    )
    ordinary.on_server(stop.format(signal="STOP"))
    try:
        queued = {"token": token(ordinary), "text": "anybody there?", "chat_id": 9}
        httpx.post(url, json=queued, trust_env=False)
        ended = ordinary.homeguru("verify", "--env", "sandbox")
    finally:
        ordinary.on_server(stop.format(signal="CONT"))
    assert ended.code == 1
    assert "updates wait and nobody takes them" in ended.stdout + ended.stderr


def test_a_bot_that_is_left_out_stays_out_until_it_is_wanted_again(ordinary: World) -> None:
    file = ordinary.environments / "sandbox.toml"
    before = file.read_text()
    file.write_text(f'{before}\n[services]\nleave_out = ["bot"]\n')
    plan = ordinary.ok("plan", "newest", "--env", "sandbox")
    removed = {
        "step": "remove bot", "kind": "remove", "service": "bot",
        "reason": "[services] leave_out names it",
    }  # fmt: skip
    assert removed in plan["steps"], plan
    outcome = ordinary.ok("deploy", "newest", "--env", "sandbox")
    assert "remove bot" in [s["step"] for s in outcome["steps"]]
    assert "bot" not in ordinary.containers()
    plan = ordinary.ok("plan", "newest", "--env", "sandbox")
    assert plan["changed"] is False
    assert "bot is left out: [services] leave_out names it" in plan["notes"]
    assert ordinary.ok("verify", "--env", "sandbox")["outcome"] == "ok"
    file.write_text(before)
    ordinary.ok("deploy", "newest", "--env", "sandbox")
    assert "bot" in ordinary.containers()
    assert ordinary.ok("plan", "newest", "--env", "sandbox")["changed"] is False
