"""Twelve repositories of other people, one after another on one server, each as its authors left it.

`init`, `bootstrap`, `release`; then a change, a broken change and a rollback. No file that these wrote is
changed by hand, which is compared and not only said; the table at the end counts what a person answers.

The repositories lie in `tests/repositories` and run with what can be had without Docker Hub: FastAPI,
Alembic, Vite, Django, Celery, Flask and Express are real ones, from PyPI and npm. Next.js and Prisma are
small programs with their files and commands. `golang`, `nginx`, `redis` and `ghcr.io/acme/cron` are made
of Debian's packages under those names; Docker Hub and ghcr.io themselves are a registry of the test.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from infra.engine.images import HAPROXY, POSTGRES, REGISTRY
from infra.sandbox.parts import ensure_network, remove
from tests.e2e.bare.machine import BareMachine, bare_machine
from tests.e2e.conftest import BESIDE, Ended, git, say
from tests.e2e.shapes import stand_ins
from tests.e2e.shapes.hub import Hub, hub
from tests.e2e.shapes.repositories import EDITION, SHAPES, Shape

pytestmark = [pytest.mark.e2e, pytest.mark.shapes]

NETWORK = f"hgtest-shapes{BESIDE}"
STEPS = ("init", "bootstrap", "release", "change", "broken", "rollback", "rotate")


@dataclass
class Row:
    """A line of the table: what a person does, and the seconds of each step."""

    shape: Shape
    answers: dict[str, int] = field(default_factory=dict)
    edits: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Somebody in a repository, at a terminal of this machine, with one server. root: the repository."""

    shape: Shape
    root: Path
    home: Path
    hub: Hub
    machine: BareMachine
    row: Row

    def homeguru(self, step: str, *words: str) -> Ended:
        """Run a command to its end, and note its time."""
        variables = {
            k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))
        }
        begin = time.monotonic()
        done = subprocess.run(
            self.hub.reached(str(Path(sys.executable).with_name("homeguru")), *words), cwd=self.root, text=True,
            capture_output=True, timeout=900, stdin=subprocess.DEVNULL, check=False,
            env={
                **variables, **self.shape.secrets, "HOME": str(self.home), "NO_COLOR": "1", "HOMEGURU_HERE": "1",
                "HOMEGURU_STATE": str(self.home / "state"), "SSL_CERT_FILE": str(self.hub.bundle),
            },
        )  # fmt: skip
        self.row.seconds[step] = time.monotonic() - begin
        return Ended(done.returncode, done.stdout, done.stderr)

    def ok(self, step: str, *words: str) -> Ended:
        ended = self.homeguru(step, *words)
        assert ended.code == 0, f"{self.shape.name} {step}:\n{ended.stdout}\n{ended.stderr}"
        return ended

    def replaces(self, file: str, before: str, after: str) -> None:
        """A commit with another text in a file."""
        path = self.root / file
        text = path.read_text()
        assert before in text, f"{file} does not hold {before!r}"
        path.write_text(text.replace(before, after))
        git(self.root, "commit", "-qam", after.splitlines()[0])

    def answer(self, url: str) -> str:
        """What the server answers; the redirects of the application are followed."""
        address = f"http://{self.machine.address}{url}"
        return httpx.get(address, follow_redirects=True, trust_env=False, timeout=20).text

    def docker(self, *words: str) -> str:
        """Containers of the application on the server, by a command of `docker`."""
        ours = f"--filter label=com.docker.compose.project={self.shape.name}"
        return self.machine.run(f"docker {words[0]} {ours} {' '.join(words[1:])}")

    def restores(self) -> None:
        """A backup brings back what was dropped after it, whatever made the tables."""
        ours, asked = ("--env", "production"), ("psql", "--env", "production", "-c")
        self.ok("psql", *asked, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
        self.ok("backup", "backup", *ours)
        self.ok("psql", *asked, "DROP TABLE kept")
        self.ok("restore", "restore", "newest", *ours, "--approve", "the table is gone")
        assert "here" in self.ok("psql", *asked, "SELECT word FROM kept").stdout

    def rotates(self) -> None:
        """The database has another password, and whoever asks meanwhile is answered."""
        file = next(self.root.rglob("compose.homeguru.yml"))
        database = YAML(typ="safe").load(file)["x-deploy"]["database"]
        answers, over = [], threading.Event()

        def ask() -> None:
            while not over.wait(0.1):
                url = f"http://{self.machine.address}{self.shape.url}"
                answers.append(httpx.get(url, follow_redirects=True, trust_env=False).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            self.ok("rotate", "rotate", database["application"]["password"], "--env", "production")
        finally:
            over.set()
            asking.join()
        assert len(answers) > 20
        assert set(answers) == {200}
        self.serves(EDITION)

    def serves(self, edition: str) -> None:
        """The edition is what is answered, or what the log says now; every service runs."""
        shape = self.shape
        if shape.url:
            assert edition in self.answer(shape.url)
        else:
            filters = f"--filter label=com.docker.compose.service={shape.worker}"
            container = self.docker("ps", "-q", filters).strip()
            log = self.machine.run(f"sleep 3; docker logs --since 2s {container} 2>&1")
            assert log and edition in log.splitlines()[-1], log
        form = "'{{.Label \"com.docker.compose.service\"}} {{.State}} {{.Status}}'"
        rows = [
            line.split(" ", 2) for line in self.docker("ps", "-a", "--format", form).splitlines()
        ]
        running = {name for name, state, _ in rows if state == "running"}
        assert running - {"edge"} == shape.serves, rows
        assert not [row for row in rows if "unhealthy" in row[2] or "Restarting" in row[2]]
        ended = [status for _, state, status in rows if state != "running"]
        assert all(status.startswith("Exited (0)") for status in ended), rows


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    """Rows of the shapes that went through, printed at the end."""
    rows: list[Row] = []
    yield rows
    say("")
    heads = " ".join(f"{step:>9}" for step in STEPS)
    say(f"{'shape':<50} {'init':>5} {'bootstrap':>9} {'secrets':>7} {'edits':>5}  seconds: {heads}")
    for row in rows:
        seconds = " ".join(f"{row.seconds.get(step, 0):>9.0f}" for step in STEPS)
        init, bootstrap, secrets = (row.answers[k] for k in ("init", "bootstrap", "secrets"))
        say(
            f"{row.shape.what:<50} {init:>5} {bootstrap:>9} {secrets:>7} {len(row.edits):>5}"
            f"           {seconds}"
        )


@pytest.fixture(scope="module")
def place(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, BareMachine]]:
    """A server that nobody has prepared, and the registries that it and this machine reach."""
    folder = tmp_path_factory.mktemp("shapes")
    remove(NETWORK)
    ensure_network(NETWORK)
    with ExitStack() as ending:
        ending.callback(remove, NETWORK)
        ending.enter_context(stand_ins.bases())
        found = ending.enter_context(hub(NETWORK, folder))
        for image in (POSTGRES, HAPROXY, REGISTRY):
            found.holds(image, f"library/{image}")
        for name, made_from in stand_ins.PULLED.items():
            found.holds(stand_ins.built(made_from), name)
        machine = ending.enter_context(
            bare_machine(f"{NETWORK}-server", NETWORK, folder / "server")
        )
        # What `bootstrap` installs there makes the system trust it.
        trusted = "/usr/local/share/ca-certificates/hub.crt"
        machine.run(
            f"mkdir -p $(dirname {trusted})\ncat > {trusted} <<'END'\n{found.certificate}END"
        )
        yield found, machine


@pytest.fixture
def person(place, table: list[Row], tmp_path: Path, request) -> Iterator[Callable[[Shape], Person]]:
    """Somebody with one of the repositories; what it left on the server goes at the end."""
    found, machine = place
    names: list[str] = []

    def make(shape: Shape) -> Person:
        names.append(shape.name)
        root = tmp_path / shape.name
        shutil.copytree(shape.folder, root)
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "as its authors left it")
        return Person(shape, root, tmp_path, found, machine, Row(shape))

    yield make
    for name in names:
        label = f"label=com.docker.compose.project={name}"
        machine.run(
            f"docker ps -aq --filter {label} | xargs -r docker rm -f >/dev/null\n"
            f"for kind in network volume; do\n"
            f"  docker $kind ls -q --filter {label} | xargs -r docker $kind rm >/dev/null\n"
            f"done\nrm -rf /opt/{name}\n"
            f"docker rm -fv {name}-registry >/dev/null 2>&1; docker volume rm {name}_registry >/dev/null 2>&1 || true"
        )


def written(root: Path) -> dict[str, str]:
    """Hash of every file that is not Git's own."""
    return {
        str(file.relative_to(root)): hashlib.sha256(_kept(file)).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(root).parts
    }


def _kept(file: Path) -> bytes:
    """Its content, but for the key of the server, which `bootstrap` writes into the environment."""
    lines = file.read_bytes().splitlines()
    return b"\n".join(line for line in lines if not line.startswith(b"host_keys = "))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_it_goes_through(person, shape: Shape, table: list[Row]) -> None:
    somebody: Person = person(shape)
    address, row = somebody.machine.address, somebody.row
    words = ("--address", address, *shape.flags)
    somebody.ok("init", "init", *words, "--yes")
    after_init = written(somebody.root)
    key, host_key = somebody.machine.root_key, somebody.machine.host_key
    entry = ("--key", str(key), "--host-key", host_key)
    somebody.ok("bootstrap", "bootstrap", "--env", "production", *entry, "--yes")
    git(somebody.root, "add", "-A")
    git(somebody.root, "commit", "-qm", "what init wrote, and the server's key")
    row.answers = {
        "init": len(words) // 2, "bootstrap": len(entry) // 2, "secrets": len(shape.secrets)
    }  # fmt: skip

    release = ("release", "--env", "production", "--source", ".")
    somebody.ok("release", *release)
    somebody.serves(EDITION)
    for url, text in shape.also.items():
        assert text.format(address=address) in somebody.answer(url)

    for path, text in shape.migration.items():
        (somebody.root / path).write_text(text)
        git(somebody.root, "add", path)
    somebody.replaces(shape.edited, EDITION, "second edition")
    somebody.ok("change", *release)
    somebody.serves("second edition")
    if shape.migration:
        # Made before the schema changed, and the way back below does not meet it with older migrations.
        assert "migration" in somebody.ok("backups", "backups", "--env", "production").stdout

    somebody.replaces(*shape.broken)
    broken = somebody.homeguru("broken", *release)
    assert broken.code == 1, broken.stdout + broken.stderr
    # Of ours: what the application printed last stands behind its service's name.
    assert not [x for x in broken.stderr.splitlines() if x.startswith("Traceback")]
    somebody.serves("second edition")

    somebody.ok("rollback", "rollback", "--env", "production")
    somebody.serves(EDITION)
    if shape.database:
        somebody.restores()

    # What was committed since is the application's; what `init` wrote is as it wrote it.
    committed = {shape.edited, shape.broken[0], *shape.migration}
    now = written(somebody.root)
    row.edits = [p for p in now if now[p] != after_init.get(p) and p not in committed]
    assert row.edits == []
    if shape.database:
        somebody.rotates()
    table.append(row)
