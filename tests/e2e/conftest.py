"""A real engine, a real sandbox host, a Git repository of the application.

Everything here has names of this run, and is removed at its end. What a killed run left
behind is removed by the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra.demo.prefect_server import LocalPrefect
from infra.engine.client import docker
from infra.engine.daemon import Engine, ensure_engine, stop_engine
from infra.engine.images import ALL, ensure_images
from infra.sandbox.environment import write_environment
from infra.sandbox.parts import remove
from infra.sandbox.sandbox import Sandbox, SandboxInfo

ROOT = Path(__file__).resolve().parents[2]
BESIDE = f"-{name}" if (name := os.environ.get("PYTEST_XDIST_WORKER", "")) else ""
"""What tells this process's sandbox from the one of another that runs beside it."""
APPLICATION = ROOT / "tests" / "homeguru"
CHAT_TOKEN = "987654321:" + "B" * 35
"""Of the bot that tells; the application's bot has another one."""
PAGE_ASKS = "http://localhost:8003"
"""The API's address that is built into the page: no test has a browser that would ask it."""


MIGRATION = '''"""{name}.

Revision ID: {revision}
Revises: {before}
"""

from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("{sql}")


def downgrade() -> None:
    op.execute("{back}")
'''


def say(text: str) -> None:
    """Progress beside pytest's own output."""
    sys.__stderr__.write(f"    {text}\n")


@dataclass(frozen=True)
class Ended:
    """How the command line ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict:
        return json.loads(self.stdout.strip().splitlines()[-1])


class Chat:
    """What the Telegram stand-in was asked to send to one chat."""

    def __init__(self, url: str, chat: int) -> None:
        self._url, self._chat = url, chat

    def texts(self) -> list[str]:
        """Every message so far, oldest first."""
        calls = httpx.get(f"{self._url}/_calls", trust_env=False).json()
        sent = [c["params"] for c in calls if c["method"] == "sendMessage"]
        return [p["text"] for p in sent if int(p["chat_id"]) == self._chat]

    def after(self, known: int, seconds: float = 180) -> list[str]:
        """The texts after the first `known`, once there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if new := self.texts()[known:]:
                return new
            time.sleep(0.5)
        raise AssertionError(f"nothing was told after {self.texts()}")


@dataclass(frozen=True)
class World:
    """A sandbox, its environment folder, and `homeguru` as a person runs it."""

    info: SandboxInfo
    environments: Path
    state: Path
    repository: Path
    api: str
    """Address of the Prefect server's API."""

    @property
    def variables(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        return {
            **inherited,
            "HOMEGURU_ENVIRONMENTS": str(self.environments),
            "HOMEGURU_STATE": str(self.state),
            "PREFECT_API_URL": self.api,
            "HOMEGURU_HERE": "1",
            "NO_COLOR": "1",
        }

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start `homeguru` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "infra.cli", *words], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**self.variables, **more},
            start_new_session=True,
        )  # fmt: skip

    def homeguru(self, *words: str, **more: str) -> Ended:
        """Run `homeguru` to its end; one that hangs is ended with all that it started."""
        process = self.start(*words, **more)
        try:
            stdout, stderr = process.communicate(timeout=600)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Ended(process.returncode, stdout, stderr)

    def ok(self, *words: str, **more: str) -> dict:
        """Run `homeguru ... --json` and expect success."""
        ended = self.homeguru(*words, "--json", **more)
        assert ended.code == 0, f"{words}: {ended.stdout}\n{ended.stderr}"
        return ended.json

    def on_server(self, script: str) -> str:
        """Run a script on the server, past SSH, as its user."""
        words = ["exec", "-u", "systech", "-w", "/opt/systech/sunko", self.info.server]
        return docker(*words, "bash", "-c", script, timeout=180)

    def sql(self, text: str, database: str = "homeguru") -> str:
        """Ask the application's database on the server; rows a line each."""
        return self.on_server(
            "docker exec $(docker ps -q --filter label=com.docker.compose.service=postgres) "
            f'psql -U postgres -d {database} -XAtqc "{text}"'
        )

    def containers(self) -> dict[str, str]:
        """Service to container id and restart count, as the server's engine says.

        While one is replaced its service has two: then it is the newer one.
        """
        shown = self.on_server(
            "docker ps -q --no-trunc --filter label=com.docker.compose.project=homeguru | xargs -r docker "
            "inspect -f '{{index .Config.Labels \"com.docker.compose.service\"}} {{.Id}} {{.RestartCount}}'"
        )
        return dict(line.split(" ", 1) for line in reversed(shown.splitlines()))

    def ledger(self) -> list[dict]:
        """The host's ledger, oldest first."""
        shown = self.on_server("cat releases.jsonl 2>/dev/null || true")
        return [json.loads(line) for line in shown.splitlines()]

    def version(self) -> str:
        """The version that answers from outside."""
        return str(httpx.get(self.info.api_url, trust_env=False).json()["version"])

    def set_variable(self, name: str, value: str) -> None:
        """Add a variable to the environment's file, or change it."""
        file = self.environments / "sandbox.toml"
        lines = [x for x in file.read_text().splitlines() if not x.startswith(f"{name} =")]
        at = lines.index("[variables]") + 1
        file.write_text("\n".join([*lines[:at], f'{name} = "{value}"', *lines[at:]]) + "\n")

    def edit(self, changes: dict[str, tuple[str, str]], message: str) -> str:
        """Replace text in files of the application and commit; returns the commit."""
        for path, (before, after) in changes.items():
            file = self.repository / path
            text = file.read_text()
            assert before in text, f"{path} does not hold {before!r}"
            file.write_text(text.replace(before, after))
        return self.commit(message)

    def rename(self, name: str) -> None:
        """A commit that only changes the version that the application says of itself."""
        (before,) = re.findall(r'"(\w+)"', (self.repository / "src/version.py").read_text())
        self.edit({"src/version.py": (f'"{before}"', f'"{name}"')}, name)

    def publish(self) -> str:
        """Publish the head of the repository; the manifest's name."""
        words = ("publish", "--env", "sandbox", "--source", str(self.repository))
        return str(self.ok(*words)["name"])

    def add_migration(self, name: str, sql: str, back: str = "SELECT 1") -> str:
        """Write the next alembic revision, not yet committed; returns its id."""
        folder = self.repository / "migrations" / "versions"
        last = max(int(file.name[:4]) for file in folder.glob("0*.py"))
        revision, before = (f"a1b2c3d4{number:04}" for number in (last + 1, last))
        text = MIGRATION.format(name=name, revision=revision, before=before, sql=sql, back=back)
        (folder / f"{last + 1:04}_{name}.py").write_text(text)
        return revision

    @contextmanager
    def broken(self, changes: dict[str, tuple[str, str]], message: str) -> Iterator[None]:
        """A commit with text replaced or files added, taken back at the end."""
        for path, (before, after) in changes.items():
            file = self.repository / path
            text = file.read_text() if before else ""
            assert before in text, f"{path} does not hold {before!r}"
            file.write_text(text.replace(before, after) if before else after)
        self.commit(message)
        try:
            yield
        finally:
            git(self.repository, "revert", "--no-edit", "HEAD")

    @contextmanager
    def told(self, chat: int) -> Iterator[Chat]:
        """The environment tells a chat of the Telegram stand-in."""
        url = self.info.telegram_control_url
        file = self.environments / "sandbox.toml"
        secrets = self.environments / "sandbox.secrets.env"
        before = file.read_text(), secrets.read_text()
        file.write_text(f'{before[0]}\n[notices]\nurls = "NOTIFY_URLS"\ntelegram_api = "{url}"\n')
        secrets.write_text(f"{before[1]}NOTIFY_URLS=tgram://{CHAT_TOKEN}/{chat}/\n")
        try:
            yield Chat(url, chat)
        finally:
            file.write_text(before[0])
            secrets.write_text(before[1])

    def commit(self, message: str) -> str:
        """Commit everything in the application's repository."""
        git(self.repository, "add", "-A")
        git(self.repository, "commit", "-q", "-m", message)
        return git(self.repository, "rev-parse", "HEAD")


@contextmanager
def world_of_its_own(
    name: str, folder: Path, api: str, application: Path = APPLICATION
) -> Iterator[World]:
    """A server that nobody used, for what needs one; with an environment and a repository."""
    project = f"hgtest-{name}{BESIDE}"
    remove(project)
    sandbox = Sandbox(project, folder / "sandbox", say)
    try:
        info = sandbox.up()
        file = written_environment(info, folder / "environments")
        repository, state = folder / "application", folder / "state"
        state.mkdir()
        ignored = shutil.ignore_patterns("node_modules", ".next", ".venv", "__pycache__")
        shutil.copytree(application, repository, ignore=ignored)
        git(repository, "init", "-q", "-b", "main")
        found = World(info, file.parent, state, repository, api)
        found.commit("v1")
        yield found
    finally:
        sandbox.down()


def written_environment(info: SandboxInfo, folder: Path) -> Path:
    """The sandbox's environment for tests; its TOML."""
    file = write_environment(info, folder, healthy_within=45)
    # One address for all: with that of its sandbox, Next built the page again for each of them.
    built = 'NEXT_PUBLIC_API_URL = "{}"'
    text = file.read_text().replace(built.format(info.api_url), built.format(PAGE_ASKS))
    assert PAGE_ASKS in text
    # Looks of a schedule would come in between; what tests them asks for them.
    file.write_text(f"{text}\n[watch]\nevery = 0\n")
    return file


def address_of(container: str) -> str:
    """A container's address in its sandbox's own network."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return docker("inspect", "-f", form, container).split()[0]


def git(repository: Path, *words: str) -> str:
    """Run git in a repository, as somebody."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", "-C", str(repository), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stories first, each on a server that nobody used; the control plane last.

    What runs three files at a time (`make test`) begins with the longest ones, and with two that need
    no engine: on a bare machine the story has to install it first. Whoever ends the few tests of faults
    takes zero: both have servers of their own, so that it makes no third one that the other files share.
    """
    first = (
        "test_story.py", "test_ctrl_c.py", "test_server_killed.py", "test_faults.py", "test_actions.py",
        "test_zero.py",
    )  # fmt: skip

    def rank(item: pytest.Item) -> int:
        if item.path.name in first:
            return first.index(item.path.name)
        return 9 if "control_plane" in item.path.parts else 5

    items.sort(key=rank)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine with every image; a missing one fails the run. Ours is stopped again."""
    state = ROOT / ".state" / "engine"
    with in_use(state) as last:
        found = ensure_engine(say, state)
        ensure_images(ALL, say)
        yield found
        if last():
            stop_engine(say, state)


@contextmanager
def in_use(state: Path) -> Iterator[Callable[[], bool]]:
    """Files run side by side share the engine: who is the last one tells whether to stop it."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)

        def last() -> bool:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield last


@pytest.fixture(scope="session")
def info(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxInfo]:
    """A sandbox of this run."""
    project = f"hgtest-e2e{BESIDE}"
    remove(project)
    sandbox = Sandbox(project, tmp_path_factory.mktemp("sandbox"), say)
    try:
        yield sandbox.up()
    finally:
        sandbox.down()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this run keeps environments, Prefect's home and the application's repository."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="session")
def environments(info: SandboxInfo, folder: Path) -> Path:
    """The folder with the sandbox's environment."""
    return written_environment(info, folder / "environments").parent


@pytest.fixture(scope="session")
def state() -> Path:
    """State of `homeguru` in this run: a fixed place, so that a killed run's is found again."""
    return ROOT / ".state" / f"e2e{BESIDE}"


@pytest.fixture(scope="session")
def prefect(environments: Path, state: Path) -> Iterator[str]:
    """A Prefect server with a process worker and the six deployments; its UI's address."""
    local = LocalPrefect(state, say)
    local.down()
    shutil.rmtree(state)
    local = LocalPrefect(state, say)
    try:
        with pytest.MonkeyPatch.context() as patched:
            # One that asks twice a second is work for the server, of which three run at a time.
            patched.setenv("PREFECT_WORKER_QUERY_SECONDS", "2")
            url = local.up(environments, port=0)
        yield url
    finally:
        local.down()


@pytest.fixture(scope="session")
def world(info: SandboxInfo, environments: Path, prefect: str, folder: Path, state: Path) -> World:
    """The sandbox with an environment and a repository whose first commit is v1."""
    return world_in(folder, info, environments, prefect, state)


def world_in(
    folder: Path, info: SandboxInfo, environments: Path, prefect: str, state: Path
) -> World:
    """A world whose repository is made there. prefect: the address of its server."""
    repository = folder / "homeguru"
    ignored = shutil.ignore_patterns("node_modules", ".next", ".venv", "__pycache__")
    shutil.copytree(APPLICATION, repository, ignore=ignored)
    git(repository, "init", "-q", "-b", "main")
    found = World(info, environments, state, repository, f"{prefect}/api")
    found.commit("v1")
    return found
