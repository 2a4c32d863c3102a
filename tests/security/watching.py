"""What is only there while a run lasts: process starts, events of both engines, containers that go again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from infra.engine.client import DockerFailed, docker
from tests.security.channels import inspected
from tests.security.searching import Piece

TRACER = Path(__file__).with_name("tracing.py")


class Watch:
    """Watches the deployer and a server from its beginning to `end`."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server, self._folder = server, folder
        folder.mkdir(parents=True)
        form = ("docker", "events", "--format", "{{json .}}")
        self._events = {
            place: self._following(place, *words)
            for place, words in {
                "deployer": form, "server": ("docker", "exec", server, *form)
            }.items()
        }  # fmt: skip
        self._containers: dict[str, str] = {}
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        # Only root is told of processes of others.
        alone = [] if os.geteuid() == 0 else ["sudo", "-n"]
        self._starts = self._following(
            "starts", *alone, sys.executable, str(TRACER), str(os.getpid()), self._shim()
        )
        self.counts: dict[str, int] = {}

    def end(self) -> None:
        """See nothing more."""
        for events in self._events.values():
            events.terminate()
            events.wait(10)
        assert self._starts.stdin
        self._starts.stdin.close()
        self._starts.wait(20)
        self._looking.join(10)

    def pieces(self) -> Iterator[Piece]:
        """All that was seen, after the end."""
        for place in self._events:
            for number, line in enumerate(self._file(place).read_bytes().splitlines()):
                event = json.loads(line)
                yield Piece(
                    "docker events", f"{place} {event['Action'].split(':')[0]} {number}", line
                )
        *begun, last = self._file("starts").read_text().splitlines()
        self.counts = json.loads(last)
        for line in begun[1:]:
            ours, pid, words = json.loads(line)
            whose = "of a run" if ours else "of others"
            yield Piece("process words", f"{whose} {pid}", words.encode("latin-1"))
        yield from inspected(self._containers.values())

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    def _following(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with self._file(name).open("wb") as file:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=file)

    def _shim(self) -> str:
        """The parent of the server's first process: what `docker exec` starts there is its child too."""
        first = docker("inspect", "-f", "{{.State.Pid}}", self._server)
        status = Path(f"/proc/{first}/stat").read_text()
        return status.rpartition(")")[2].split()[1]

    def _look(self) -> None:
        """Inspect each container when it starts: one of a migration is soon gone."""
        with self._file("server").open() as file:
            line = ""
            while self._events["server"].poll() is None:
                line += file.readline()
                if not line.endswith("\n"):
                    time.sleep(0.05)
                    continue
                event = json.loads(line)
                if event["Type"] == "container" and event["Action"] in ("create", "start"):
                    self._inspect(event["Actor"]["ID"])
                line = ""

    def _inspect(self, container: str) -> None:
        try:
            self._containers[container] = docker(
                "exec", self._server, "docker", "inspect", container
            )
        except DockerFailed:
            self._containers.setdefault(container, "[]")
