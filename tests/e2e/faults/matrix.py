"""The matrix of faults: a cell is one fault before one step of one verb, then one run more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from infra.sandbox.client import docker
from tests.e2e.conftest import World, say
from tests.e2e.writer import Writer

HANDS = ("migrate", "downgrade", "restore database", "replace api", "replace bot", "record")
"""Steps before or in which state changes hands: every fault comes there."""
VERBS = ("deploy", "rollback", "restore", "migrate")
LATER = ("rollback", "restore")
"""Verbs that begin with the later of the two releases."""
PATIENCE = 240


LEFT = r"""
echo "lock=$(flock -n lock/session true && flock -n lock/work true && echo free || echo taken)"
echo "files=$(ls -d .incoming deadman secrets.env.previous 2>/dev/null | xargs)"
echo "containers=$(docker ps -a --filter label=com.docker.compose.project=homeguru \
  --format '{{.Label "com.docker.compose.service"}} {{.State}}' | sort | paste -sd,)"
echo "unfinished=$(for f in journal/*.jsonl; do
  tail -n 1 $f | grep -q '"event":"end".*"step":"run ' || echo $f
done | xargs)"
"""
RUNNING = ",".join(f"{n} running" for n in ("api", "bot", "edge", "frontend", "postgres"))


@dataclass(frozen=True)
class Cell:
    verb: str
    step: str
    fault: str
    place: int = 0
    """Of the step in its verb, from 0."""

    @property
    def key(self) -> str:
        return f"{self.verb} | {self.step} | {self.fault}"


@dataclass
class Result:
    """How a cell ended. `wrong` is empty where it converged."""

    cell: str
    first: int | None
    seconds: float
    again: float
    rows: int
    place: int = 0
    wrong: list[str] = field(default_factory=list)


class Deployer:
    """A deployer's process, and all that it printed."""

    def __init__(self, world: World, verb: str, step: str, word: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.faults.deployer", verb, step, word], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**world.variables, "PREFECT_API_URL": ""}, start_new_session=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def stands(self, step: str) -> bool:
        """Whether it came to the step; False when it ended before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if f"AT {step}" in self.lines:
                return True
            if self.process.poll() is not None:
                self._thread.join(5)
                return f"AT {step}" in self.lines
            time.sleep(0.02)
        return False

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> int | None:
        """Its exit code; None when it had to be killed."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return None
        finally:
            self._thread.join(5)
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def steps(self) -> list[str]:
        return next((json.loads(x) for x in self.lines if x.startswith('["')), [])


class Matrix:
    """Plays cells on one sandbox. `before` and `after` are the two releases' manifests."""

    def __init__(self, world: World, before: str, after: str, file: Path) -> None:
        self.world, self.before, self.after, self.file = world, before, after, file
        self.writer = Writer(world.info.api_url)
        self.faults: dict[str, Callable[[Deployer], None]] = {
            "sigkill": self._sigkill, "ssh cut": self._ssh_cut, "ctrl-c": self._ctrl_c,
            "cancel": self._cancel,
            "network": self._network, "engine": self._engine, "registry": self._registry,
            "postgres": self._postgres, "disk full": self._disk_full,
        }  # fmt: skip
        self._secrets = [
            line.partition("=")[2]
            for line in (world.environments / "sandbox.secrets.env").read_text().splitlines()
        ]

    # -- the verbs ------------------------------------------------------------------

    def word(self, verb: str) -> str:
        return {"deploy": self.after, "migrate": self.after, "rollback": self.before}.get(
            verb, "newest"
        )

    def deployer(self, verb: str, step: str = "-") -> Deployer:
        return Deployer(self.world, verb, step, self.word(verb))

    def run(self, verb: str) -> Deployer:
        """A run to its end, which must be a good one."""
        found = self.deployer(verb)
        assert found.end() == 0, found.text
        return found

    def steps(self, verb: str) -> list[str]:
        """The boundaries of a verb: its plan's steps, and the record at the end."""
        self.settle(verb)
        planned = self.deployer(verb, "plan")
        assert planned.end() == 0, planned.text
        return [*planned.steps, "record"]

    @property
    def at_after(self) -> bool:
        """Which of the two releases runs."""
        return self._current() == self.after

    def _current(self) -> str:
        return self.world.on_server("cat current 2>/dev/null || true").partition("-")[2]

    def settle(self, verb: str) -> None:
        """The state that a cell of this verb begins with."""
        later = verb in LATER
        if self.at_after != later:
            self.run("deploy" if later else "rollback")
        if verb == "migrate" and self._revision() != self._first:
            # No verb takes back a migration that was meant.
            self.world.sql(
                f"DROP TABLE chairs; UPDATE alembic_version SET version_num = '{self._first}'"
            )

    def begin(self) -> None:
        """The first release, and the revision that it has."""
        found = Deployer(self.world, "deploy", "-", self.before)
        assert found.end() == 0, found.text
        self._first = self._revision()

    # -- cells ----------------------------------------------------------------------

    def known(self) -> dict[str, Result]:
        """Results of this and of earlier runs on the same commit."""
        return {result.cell: result for result in read(self.file)}

    def play(self, cell: Cell) -> Result:
        """One cell: the fault, one run more, and whether all is as it must be."""
        self.settle(cell.verb)
        conflicts, acked = self._conflicts(), len(self.writer.acked)
        began = time.monotonic()
        with self.writer.writing():
            first, wrong = self._struck(cell)
            between = time.monotonic()
            again = self.deployer(cell.verb)
            if code := again.end():
                wrong.append(f"the next run ended {code}: {again.text[-400:]}")
            ended = time.monotonic()
        rows = len(self.writer.acked) - acked
        wrong += self._amiss(cell, conflicts, first.text + again.text)
        seconds, more = round(between - began, 1), round(ended - between, 1)
        say(f"{cell.key}: {'; '.join(wrong) or 'converged'} ({seconds} + {more} s, {rows} rows)")
        return Result(
            cell.key, first.process.returncode, seconds, more, rows, cell.place, wrong
        )  # fmt: skip

    def _struck(self, cell: Cell) -> tuple[Deployer, list[str]]:
        """The run that the fault meets, ended, and what is wrong with how it ended."""
        first = self.deployer(cell.verb, cell.step)
        stood = first.stands(cell.step)
        if stood:
            self.faults[cell.fault](first)
        wrong = [] if stood else [f"never came to this step: {first.text[-400:]}"]
        return first, wrong if first.end() is not None else [*wrong, "the first run hung"]

    def keep(self, result: Result) -> None:
        """Add it to the results of this commit."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def _amiss(self, cell: Cell, conflicts: int, printed: str) -> list[str]:
        wanted = self.after if cell.verb in ("deploy", "restore") else self.before
        current = self._current()
        wrong = [] if current == wanted else [f"current is {current}, not {wanted}"]
        wrong += self._left()
        if cell.verb != "restore":
            wrong += self._lost(printed)
        else:
            self.writer.acked.clear()
        if self._conflicts() != conflicts:
            wrong.append(f"{self._conflicts() - conflicts} conflicts of two pollers")
        if [s for s in self._secrets if s and s in printed]:
            wrong.append("a secret was printed")
        verified = self.world.homeguru("verify", "--env", "sandbox", PREFECT_API_URL="")
        return wrong if verified.code == 0 else [*wrong, f"verify: {verified.stderr[-300:]}"]

    def _left(self) -> list[str]:
        """What a run that is over must not leave: locks, files, containers, an open journal."""
        found = dict(
            line.split("=", 1) for line in self.world.on_server(LEFT).splitlines() if "=" in line
        )
        wanted = {"lock": "free", "files": "", "unfinished": "", "containers": RUNNING}
        return [f"{n}: {found.get(n)!r}" for n, value in wanted.items() if found.get(n) != value]

    def _lost(self, said: str) -> list[str]:
        """Acknowledged rows that are not in the database, nor in one that the run named."""
        here, acked = self._texts("homeguru"), set(self.writer.acked)
        beside: set[str] = set()
        if "is in the database homeguru_undone" in said:
            beside = (acked - here) & self._texts("homeguru_undone")
        lost = acked - here - beside
        self.writer.acked = sorted(acked & here)
        if beside:
            say(f"{len(beside)} rows are in homeguru_undone, as the run said")
        return [f"{len(lost)} acknowledged rows are gone, such as {min(lost)}"] if lost else []

    def _texts(self, database: str) -> set[str]:
        return set(
            self.world.sql("SELECT text FROM messages WHERE text LIKE 'row %'", database).split(
                "\n"
            )
        )

    def _revision(self) -> str:
        return self.world.sql("SELECT version_num FROM alembic_version")

    def _conflicts(self) -> int:
        url = f"{self.world.info.telegram_control_url}/_conflicts"
        return int(httpx.get(url, trust_env=False).json()["count"])

    # -- faults ---------------------------------------------------------------------

    def _root(self, script: str) -> str:
        return docker("exec", self.world.info.server, "bash", "-c", script, timeout=120)

    def _sigkill(self, deployer: Deployer) -> None:
        os.killpg(deployer.process.pid, signal.SIGKILL)

    def _ctrl_c(self, deployer: Deployer) -> None:
        os.kill(deployer.process.pid, signal.SIGINT)

    def _cancel(self, deployer: Deployer) -> None:
        # What a worker sends to a run that was cancelled through the API.
        os.kill(deployer.process.pid, signal.SIGTERM)

    def _ssh_cut(self, deployer: Deployer) -> None:
        self._root("pkill -KILL -f '^sshd: systech' || true")
        deployer.go()

    def _network(self, deployer: Deployer) -> None:
        self._root("iptables -I INPUT -p tcp --dport 22 -j DROP")
        deployer.go()
        time.sleep(35)
        self._root("iptables -D INPUT -p tcp --dport 22 -j DROP")

    def _engine(self, deployer: Deployer) -> None:
        self._root(
            "pkill -TERM -x dockerd; sleep 1; until docker info >/dev/null 2>&1; do sleep 0.2; done"
        )
        deployer.go()

    def _registry(self, deployer: Deployer) -> None:
        registry = f"{self.world.info.project}-registry"
        docker("stop", "-t", "1", registry)
        deployer.go()
        deployer.end()
        docker("start", registry)

    def _postgres(self, deployer: Deployer) -> None:
        self.world.on_server("docker stop -t 5 homeguru-postgres-1 >/dev/null")
        deployer.go()

    def _disk_full(self, deployer: Deployer) -> None:
        self.world.on_server("dd if=/dev/zero of=fill bs=64k 2>/dev/null || true")
        deployer.go()
        deployer.end()
        self.world.on_server("rm -f fill")


def begun(world: World, file: Path) -> Matrix:
    """Two releases, the second with a migration and another api and bot; the first one runs."""
    world.rename("before")
    before = world.publish()
    world.add_migration("chairs", "CREATE TABLE chairs (id int)", "DROP TABLE chairs")
    world.rename("after")
    found = Matrix(world, before, world.publish(), file)
    found.begin()
    return found


def read(file: Path) -> list[Result]:
    """Results that a run has left so far, in the order of the table."""
    if not file.exists():
        return []
    found = {row["cell"]: Result(**row) for row in map(json.loads, file.read_text().splitlines())}
    return sorted(found.values(), key=lambda r: (VERBS.index(r.cell.split(" | ")[0]), r.place))


def next_of(cells: list[Cell], at_after: bool) -> Cell:
    """The next cell: one that begins where the last one ended, if there is one.

    Those of `migrate` come last: afterwards the earlier release is one that ran on the later schema.
    """
    first = [c for c in cells if c.verb != "migrate"] or cells
    return next((c for c in first if (c.verb in LATER) == at_after), first[0])


def table(results: list[Result]) -> str:
    """Boundaries by faults: `ok`, `NO` or nothing where none was due."""
    cells = {tuple(r.cell.split(" | ")): r for r in results}
    faults = list(dict.fromkeys(key[2] for key in cells))
    rows = list(dict.fromkeys(key[:2] for key in cells))
    lines = [f"{'boundary':<36}" + "".join(f"{f:>11}" for f in faults)]
    for verb, step in rows:
        marks = [
            ""
            if (found := cells.get((verb, step, fault))) is None
            else "NO"
            if found.wrong
            else "ok"
            for fault in faults
        ]
        lines.append(f"{f'{verb}: before {step}':<36}" + "".join(f"{mark:>11}" for mark in marks))
    bad = sum(bool(r.wrong) for r in results)
    rows_written = sum(r.rows for r in results)
    lines.append(f"{len(results)} cells, {bad} did not converge; {rows_written} rows acknowledged")
    return "\n".join(lines)
