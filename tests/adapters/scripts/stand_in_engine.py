"""A stand-in for `docker` with containers, and an edge with slots, in this process.

The program on PATH is a few lines of bash that hand over their words, so that a script which asks
forty times is not slow.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CLIENT = r"""
exec 3<>/dev/tcp/127.0.0.1/{port}
exported=; [ "$1" != compose ] || exported=$(declare -px)
printf '%s\0' "$@" "$exported" end >&3
IFS= read -r code <&3
if [ "$code" = refused ]; then cat <&3 >&2; exit 1; fi
cat <&3
exit "$code"
"""
IDLE = "idle.invalid"
ADMIN = {"ready": 0, "drain": 8, "maint": 1}
"""HAProxy's bits of a server's administrative state."""


def address(name: str) -> str:
    """A container's own."""
    return f"10.0.{sum(name.encode()) % 250}.{len(name)}"


@dataclass
class Container:
    """then: what it becomes when it is started: state, restarts, health."""

    service: str
    image: str
    state: str = "running"
    hash: str = "h1"
    restarts: int = 0
    health: str = "healthy"
    then: tuple[str, int, str] = ("running", 0, "healthy")

    def shown(self, form: str, name: str) -> str:
        """What `docker inspect -f` prints."""
        # `Id` is no field of Docker's own: it reads the form as one of raw JSON then, in which a
        # container that was never started or has no check has no `Health`, and prints nothing.
        assert not ("{{.Id}}" in form and ".State.Health" in form)
        both = f"{self.state} {self.restarts}"
        texts = {
            "{{.Image}}": self.image, "Config.User": "1000",
            "compose.service": f"{name} {self.service} {both} {self.health} /app-{name} {self.image} {self.hash}",
            " {{.ID}}": f"{both} {self.health} {name}", "config-hash": f"{self.image} {self.hash}",
            "IPAddress": f"{address(f'app-{name}')} ", "PortBindings": "0", "RestartCount": both, "ExitCode": "1",
            "State.Health": f"{self.state} {self.health}",
            ".Running": str(self.state == "running").lower(), ".Name": f"/app-{name}", ".Id": name,
        }  # fmt: skip
        return next(text for mark, text in texts.items() if mark in form)


@dataclass
class Slot:
    name: str = IDLE
    state: str = "maint"
    answered: str = field(default="", compare=False)
    """The name at the last answer."""


@dataclass
class StandInEngine:
    """containers: by id, the newest first. slots: by backend and name. open: requests on a slot at
    each question, the last one for ever. log: what changed something. refuses: what Compose says. silent: which question for a list of
    containers fails, counted from 1. unreachable: names that the edge's checks do not reach.
    after: called with each command, when it has its answer. prints: lines that each container has written.
    """

    containers: dict[str, Container] = field(default_factory=dict)
    slots: dict[str, dict[str, Slot]] = field(default_factory=dict)
    open: dict[str, list[int]] = field(default_factory=dict)
    then: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    refuses: str = ""
    silent: int = 0
    unreachable: set[str] = field(default_factory=set)
    prints: list[str] = field(default_factory=lambda: ["Traceback: no token"])
    after: Callable[[list[str]], None] = lambda words: None
    _made: int = 0

    def answer(self, words: list[str], exported: str) -> tuple[str, str]:
        """Exit code, or `refused`, and output of one command."""
        match words[0]:
            case "ps" if self._fails():
                return "refused", "Cannot connect to the Docker daemon\n"
            case "ps":
                named = [w.rpartition("=")[2] for w in words if "compose.service=" in w]
                found = [
                    i for i, c in self.containers.items() if c.service in (named or [c.service])
                ]
                services = {n: f" {self.containers[n].service}" for n in found if "-a" in words}
                return "0", "".join(f"{n}{services.get(n, '')}\n" for n in found)
            case "inspect":
                return self._inspect(words[2], [w.removeprefix("app-") for w in words[3:]])
            case "logs":
                last = self.prints[-int(words[words.index("--tail") + 1]) :]
                return "0", "".join(f"{line}\n" for line in last)
            case "exec":
                return "0", "".join(f"{line}\n" for line in self._edge(words[-1]))
            case "compose":
                self.log.append(" ".join(["compose", *words[words.index("up") :]]))
                return ("refused", self.refuses) if self.refuses else self._compose(words, exported)
            case "run":
                # Whoever looks at a folder finds that it is another user's.
                self.log.append(" ".join(words))
                return "0", "/data " if any("stat -c" in word for word in words) else ""
        self.log.append(" ".join(words))
        return self._change(words[0], [w for w in words[1:] if w in self.containers]), ""

    def _fails(self) -> bool:
        self.silent -= 1
        return self.silent == 0

    def _inspect(self, form: str, names: list[str]) -> tuple[str, str]:
        found = [n for n in names if n in self.containers]
        text = "".join(f"{self.containers[n].shown(form, n)}\n" for n in found)
        return str(int(found != names)), text

    def _change(self, verb: str, names: list[str]) -> str:
        for name in names:
            found = self.containers[name]
            if verb == "rm":
                del self.containers[name]
            elif verb == "stop":
                found.state, found.health = "exited", "none"
            elif found.state != "running":
                found.state, found.restarts, found.health = found.then
        failed = verb == "start" and any(self.containers[n].state == "created" for n in names)
        return str(int(failed))

    def _compose(self, words: list[str], exported: str) -> tuple[str, str]:
        images = dict(re.findall(r'(\w+)_IMAGE="(.*)"', exported))
        for word in words:
            service, _, wanted = word.partition("=")
            there = [c for c in self.containers.values() if c.service == service]
            if not wanted.isdigit() or len(there) >= int(wanted):
                continue
            self._made += 1
            then = self.then.get(service, ("running", 0, "healthy"))
            image = images[service.upper()]
            made = Container(service, image, "created", "label", health="none", then=then)
            self.containers = {f"{service}-new{self._made}": made, **self.containers}
        return "0", ""

    def _edge(self, text: str) -> Iterator[str]:
        if text.startswith(("set", "shutdown")):
            self.log.append(f"edge {text}")
        for command in text.split("; "):
            words = command.split()
            if words[:2] == ["set", "server"]:
                backend, _, name = words[2].partition("/")
                setattr(
                    self.slots[backend][name], {"fqdn": "name"}.get(words[3], words[3]), words[4]
                )
            elif words[:3] == ["show", "servers", "state"]:
                yield from ("1", "# be_id")
                yield from (self._row(words[3], n, s) for n, s in self.slots[words[3]].items())
            elif words[:2] == ["show", "stat"]:
                for place, counts in self.open.items():
                    number = counts.pop(0) if len(counts) > 1 else counts[0]
                    yield f"{place.replace('/', ',')},0,0,{number},"

    def _row(self, backend: str, name: str, slot: Slot) -> str:
        serves = self.containers.get(slot.name.removeprefix("app-"))
        up = 2 if serves and serves.state == "running" and slot.name not in self.unreachable else 0
        rest = f"{ADMIN[slot.state]} 1 1 1 1 3 4 0 0 0 0 {slot.name} 80"
        return f"1 {backend} 1 {name} {self._address(slot)} {up} {rest}"

    def _address(self, slot: Slot) -> str:
        """For one answer after another name came in, the address of whoever was there before."""
        before, slot.answered = slot.answered or slot.name, slot.name
        return address(before)


@contextmanager
def listening(engine: StandInEngine) -> Iterator[str]:
    """The text of a program `docker` that asks this engine."""
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            data = b""
            while not data.endswith(b"\0end\0"):
                data += self.request.recv(65536)
            *words, exported, _, _ = data.decode().split("\0")
            with lock:
                code, text = engine.answer(words, exported)
                engine.after(words)
            self.wfile.write(f"{code}\n{text}".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield CLIENT.replace("{port}", str(server.server_address[1]))
        finally:
            server.shutdown()
