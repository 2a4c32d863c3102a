"""The matrix of faults: a cell is one fault before one step of one verb, then one run more."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx

from infra.engine.client import docker
from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer
from tests.e2e.faults.cells import LATER, Cell, Result, read
from tests.e2e.writer import Writer

LEFT = r"""
echo "lock=$(flock -n lock/session true && flock -n lock/work true && echo free || echo taken)"
echo "files=$(ls -d .incoming deadman secrets.env.previous 2>/dev/null | xargs)"
echo "containers=$(docker ps -a --filter label=com.docker.compose.project=homeguru \
  --format '{{.Label "com.docker.compose.service"}} {{.State}}' | sort | paste -sd,)"
echo "unfinished=$(for f in journal/*.jsonl; do
  tail -n 1 $f | grep -q '"event":"end".*"step":"run ' || echo $f
done | xargs)"
"""
STILL_AT_WORK = "flock -w 60 lock/work true && tail -n 1 $(ls -t journal/*.jsonl | head -n 1)"
"""The last line of the newest journal, once no command is at work any more."""
RUNNING = ",".join(f"{n} running" for n in ("api", "bot", "edge", "frontend", "postgres"))


class Matrix:
    """Plays cells on one sandbox. `before` and `after` are the two releases' manifests."""

    def __init__(self, world: World, before: str, after: str, file: Path) -> None:
        self.world, self.before, self.after, self.file = world, before, after, file
        self.writer = Writer(world.info.api_url)
        self._backup = ""
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
            verb, self._backup
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
        if verb == "restore":
            # By its id: after many cells each that is kept was made by one.
            self._backup = self.world.on_server("ls backups/*.json | tail -n 1").strip()[8:-5]
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
        restored = cell.verb == "restore"
        wrong += self._lost(printed, restored) if self._has_database() else ["no database runs"]
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

    def _lost(self, said: str, restored: bool) -> list[str]:
        """Acknowledged rows that are not in the database, nor in one that the run named.

        restored: what a restore took out is in the backup that it made first.
        """
        here, acked = self._texts("homeguru"), set(self.writer.acked)
        beside: set[str] = set()
        for name in set(re.findall(r"is in the database (homeguru_undone_\w+)", said)):
            beside |= (acked - here) & self._texts(name)
        if restored:
            beside |= (acked - here) & self._backed_up()
        lost = acked - here - beside
        self.writer.acked = sorted(acked & here)
        if beside:
            say(f"{len(beside)} rows are beside, in a database or a backup that is kept")
        return [f"{len(lost)} acknowledged rows are gone, such as {min(lost)}"] if lost else []

    def _backed_up(self) -> set[str]:
        """Rows in any backup that is kept."""
        read = "docker exec -i homeguru-postgres-1 pg_restore --data-only --table=messages -f -"
        each = f"for f in backups/*.dump; do {read} < $f; done"
        return set(self.world.on_server(f"{each} | grep -oE 'row [0-9]+' | sort -u").splitlines())

    def _has_database(self) -> bool:
        label = "label=com.docker.compose.service=postgres"
        return bool(self.world.on_server(f"docker ps -q --filter {label}").strip())

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
        deployer.kill()

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


@contextmanager
def small_disk(name: str, folder: Path) -> Iterator[World]:
    """A server whose environment's directory is a file system that can be full."""
    with world_of_its_own(name, folder, "") as found:
        docker(
            "exec", found.info.server, "mount", "-t", "tmpfs", "-o",
            "size=64m,mode=755,uid=systech,gid=systech", "tmpfs", "/opt/systech/sunko",
        )  # fmt: skip
        file = found.environments / "sandbox.toml"
        small = file.read_text().replace("disk_mb = 1024", "disk_mb = 4")
        file.write_text(f"{small}disk_mb = 1\n\n[backup]\nkeep = 3\n")
        yield found


def begun(world: World, file: Path) -> Matrix:
    """Two releases, the second with a migration and another api and bot; the first one runs."""
    world.rename("before")
    before = world.publish()
    world.add_migration("chairs", "CREATE TABLE chairs (id int)", "DROP TABLE chairs")
    world.rename("after")
    found = Matrix(world, before, world.publish(), file)
    found.begin()
    return found
