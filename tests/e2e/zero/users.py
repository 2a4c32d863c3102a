"""Everybody who uses the product while it is deployed: the load, people who write to the bot."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.conftest import ROOT, World, say
from tests.e2e.zero.figures import Stretch, Taken, read, without_poller
from tests.e2e.zero.load import RATE

CALM = 6.0
"""Seconds of load before and after each path, to compare with."""
CHAT = 4242


class Users:
    """Ask and write all the while; each path is measured between what they saw before and after."""

    def __init__(self, world: World, file: Path, rate: int = RATE) -> None:
        self.world, self.file, self.rate = world, file, rate
        self.paths: list[Taken] = []
        # Others wrote to the same database before: their updates are not these.
        self._said, self._sent = f"update {uuid.uuid4().hex[:6]}", 0
        self._quiet = threading.Event()
        secrets = (world.environments / "sandbox.secrets.env").read_text().splitlines()
        self.token = dict(line.split("=", 1) for line in secrets)["TELEGRAM_BOT_TOKEN"]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The load runs; people write to the bot every half second."""
        urls = [self.world.info.api_url, self.world.info.frontend_url]
        words = [*urls, str(self.file), str(self.rate)]
        load = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.zero.load", *words], stdin=subprocess.PIPE, cwd=ROOT
        )
        people = threading.Thread(target=self._write, daemon=True)
        people.start()
        try:
            yield
        finally:
            self._quiet.set()
            people.join(10)
            load.communicate()

    def _write(self) -> None:
        url = f"{self.world.info.telegram_control_url}/_updates"
        with httpx.Client(trust_env=False) as client:
            while not self._quiet.wait(0.5):
                text = f"{self._said} {self._sent}"
                answer = client.post(url, json={"token": self.token, "text": text, "chat_id": CHAT})
                answer.raise_for_status()
                self._sent += 1

    def path(self, name: str, take: Callable[[], str | None]) -> Taken:
        """Take a path under load. What it returns is noted beside its figures."""
        time.sleep(CALM)
        doubled, lost = self._doubled(), self._lost()
        epoch, begin = time.time(), time.monotonic()
        note = take() or ""
        end, epoch_end = time.monotonic(), time.time()
        time.sleep(CALM)
        asked = read(self.file)
        lost = self._lost() - lost
        found = Taken(
            name, end - begin, self.rate, Stretch.of(asked, begin - CALM, begin),
            Stretch.of(asked, begin, end), Stretch.of(asked, end, end + CALM),
            self._doubled() - doubled, lost,
            self._without_bot(epoch, epoch_end), f"{note}{self._complaints() if lost else ''}",
        )  # fmt: skip
        self.paths.append(found)
        said = f"{name}: {found.seconds:.1f} s, {len(found.during.asked)} requests, "
        said += (
            f"{len(found.during.failed)} failed, {found.doubled} doubled, {found.during.cut} cut, "
        )
        said += f"ms {found.before.times} before, {found.during.times} during, {found.after.times} after, "
        said += f"no poller for {found.without_bot:.1f} s. {found.during.what_failed} {found.note}"
        say(said)
        return found

    # -- what must not happen -----------------------------------------------------------

    def _doubled(self) -> int:
        """Requests and updates that had their effect twice."""
        return int(
            self.world.sql(
                "SELECT count(*) FROM (SELECT 1 FROM messages WHERE text LIKE 'load %' OR text "
                "LIKE 'update %' GROUP BY text HAVING count(*) > 1) AS twice"
            )
        )

    def _lost(self) -> int:
        """Updates that no bot has handled within some seconds."""
        sent, deadline = self._sent, time.monotonic() + 20
        query = (
            f"SELECT count(DISTINCT text) FROM messages WHERE text LIKE '{self._said} %' AND "
            f"split_part(text, ' ', 3)::int < {sent}"
        )
        while (missing := sent - int(self.world.sql(query))) and time.monotonic() < deadline:
            time.sleep(0.5)
        return missing

    def _complaints(self) -> str:
        """What the bot logged of updates that it did not handle."""
        log = self.world.on_server(
            "docker logs $(docker ps -q --filter label=com.docker.compose.service=bot) 2>&1"
        )
        lines = [line for line in log.splitlines() if "Error" in line or "ERROR" in line]
        return "; ".join(["", f"{len(lines)} errors in the bot's log", *sorted(set(lines))[:5]])

    def _without_bot(self, begin: float, end: float) -> float:
        """The longest time in which no bot asked for updates, seconds."""
        url = f"{self.world.info.telegram_control_url}/_polls"
        polls = httpx.get(url, params={"token": self.token}, trust_env=False).json()
        return without_poller(polls, begin, end, time.time())

    def conflicts(self) -> int:
        """How often two bots asked at a time."""
        url = f"{self.world.info.telegram_control_url}/_conflicts"
        return int(httpx.get(url, trust_env=False).json()["count"])
