"""The life of a production server as a deployer sees it: releases, failures, backups, mistakes, a killed run.

Everything is done with the environment whose secrets are markers; what came out is looked at later.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.e2e.conftest import Ended, World, git, say
from tests.e2e.stand_in_runner import Job
from tests.security.guarded import Guarded
from tests.security.mistakes import Mistake, mistakes

DUMP = """\
import base64, json, os, urllib.parse
print(dict(os.environ), flush=True)
print(json.dumps(dict(os.environ)), flush=True)
for name, value in os.environ.items():
    print(name, base64.b64encode(value.encode()).decode(), value.encode().hex(), urllib.parse.quote(value), flush=True)
"""
"""What a careless application prints when it cannot start."""
BROKEN = f"{DUMP}raise SystemExit(repr(os.environ))\nsettings = Settings"
WORDS = ("--env", "sandbox")
CRASH = """\
import sys
from infra.environment import context
configuration = context.Assembly.configuration
def crash(self):
    found = configuration(self)
    password = found.secrets["ADMIN_PASSWORD"].get_secret_value()
    raise RuntimeError(f"a library failed on {password}")
context.Assembly.configuration = crash
from infra.cli import main
main()
"""
"""A defect deep in a run, in a frame that holds secrets, with a message that quotes one."""


class Story:
    """Tells it once. row: what a user of the application wrote, which only the database may hold."""

    def __init__(self, world: Guarded, row: str) -> None:
        self.world, self._row = world, row
        self.runner = world.folder / "runner"
        self._first = ""

    def tell(self) -> None:
        """All of it, in order."""
        # A backup is restored under the release that it was made of: so the way back comes later.
        for act in (
            self._first_release, self._looks, self._second_release, self._other_values, self._rotated,
            self._broken, self._backups, self._maintenance, self._killed, self._workflows, self._back, self._mistakes,
            self._crashes,
        ):  # fmt: skip
            begin = time.monotonic()
            act()
            say(f"{act.__name__.strip('_').replace('_', ' ')}: {time.monotonic() - begin:.0f} s")

    def _ok(self, *words: str, **more: str) -> Ended:
        ended = self.world.homeguru(*words[0].split(), *WORDS, *words[1:], **more)
        assert ended.code == 0, f"{words}: {ended.stdout}\n{ended.stderr}"
        return ended

    def _fails(self, *words: str, **more: str) -> Ended:
        ended = self.world.homeguru(*words[0].split(), *WORDS, *words[1:], **more)
        assert ended.code != 0, f"{words}: {ended.stdout}\n{ended.stderr}"
        return ended

    def _all(self, *commands: tuple[str, ...]) -> None:
        """Commands that only look, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda words: self._ok(*words), commands))

    def _release(self) -> tuple[str, ...]:
        return ("release", "--source", str(self.world.repository))

    def _first_release(self) -> None:
        self._ok("publish", "--source", self.world.source)
        self._ok("plan", "--json")
        self._ok("deploy")
        self._first = self.world.ledger()[-1]["release"]
        url = f"{self.world.info.api_url}/messages"
        httpx.post(url, json={"text": self._row}, trust_env=False).raise_for_status()

    def _looks(self) -> None:
        self._all(
            ("status",), ("status", "--json"), ("logs", "--all"), ("history",), ("history", "--json"),
            ("doctor",), ("doctor", "--json"), ("diff",), ("plan",), ("config",), ("metrics",),
            ("exec", "api", "--", "id"), ("psql", "-c", "SELECT count(*) FROM messages"),
            ("audit verify",), ("verify", "--json"),
        )  # fmt: skip
        # A person who asks a container for a secret gets it: the terminal is theirs.
        self._ok("exec", "api", "--", "printenv", "ADMIN_PASSWORD")

    def _second_release(self) -> None:
        self.world.add_migration("colour", "ALTER TABLE messages ADD COLUMN colour text")
        self.world.rename("v2")
        self._ok(*self._release())

    def _other_values(self) -> None:
        """A variable and two secrets are others than before: the old ones are secrets still."""
        maker = self.world.maker
        self.world.set_variable("LLM_MODEL", "openai/gpt-5")
        self.world.write_secrets(
            JWT_SECRET_KEY=maker.lines("the new JWT_SECRET_KEY").value,
            DATABASE_PASSWORD=maker.secret("the new DATABASE_PASSWORD", between="._~-").value,
        )
        self._all(("plan", "current", "--json"), ("plan", "current"))
        self._ok("deploy", "current", "--json")

    def _rotated(self) -> None:
        """A key that somebody else gave out is exchanged, and once more by a file that is wrong."""
        file = self.world.folder / "new-key"
        file.write_text(self.world.maker.secret("the new OPENROUTER_API_KEY").value + "\n")
        self._ok("rotate OPENROUTER_API_KEY", "--value-file", str(file))
        self._fails("rotate OPENROUTER_API_KEY", "--value-file", str(file))
        self._fails("rotate DATABASE_PASSWORD", "--value-file", str(file.with_name("no-file")))
        file.unlink()

    def _broken(self) -> None:
        """The application prints everything that it was given, and the release is undone."""
        world = self.world
        with world.broken({"src/api/main.py": ("settings = Settings", BROKEN)}, "v3, broken"):
            ended = self._fails(*self._release(), "--json")
        assert "as before" in ended.stderr
        assert world.ledger()[-1]["outcome"] == "undone"
        self._all(("logs", "api"), ("history", "--json"))

    def _backups(self) -> None:
        world = self.world
        self._ok("backup")
        newest = world.homeguru("backups", *WORDS, "--json").json[-1]["id"]
        self._ok("drill")
        self._ok("restore", newest, "--approve", "to see that it works")
        world.on_server("rm -f backups/*")
        self._ok("fetch", newest, "--identity", str(world.folder / "identity"))

    def _maintenance(self) -> None:
        self._ok("maintenance on")
        self._ok("maintenance off")

    def _killed(self) -> None:
        world = self.world
        world.set_variable("LLM_MODEL", "openai/gpt-6")
        process = world.start("deploy", "current", *WORDS)
        world.on_server(
            'for n in $(seq 600); do tail -qn 1 journal/*.jsonl | grep -q \'"step":"start new\' && exit; sleep 0.1; done; exit 1'
        )
        os.killpg(process.pid, signal.SIGKILL)
        world.keep("a run that was killed", Ended(-9, *process.communicate()))
        assert process.returncode == -signal.SIGKILL
        self._ok("deploy", "current")

    def _workflows(self) -> None:
        """A build, and a release whose migration fails and prints the address of its database."""
        world = self.world
        self._commit_environment()
        assert self._job("build") == 0
        revision = (
            "import os; print(dict(os.environ)); raise SystemExit(os.environ['DATABASE_URL'])"
        )
        world.add_migration("fails", "SELECT 1")
        (file,) = (world.repository / "migrations" / "versions").glob("*_fails.py")
        file.write_text(
            file.read_text().replace(
                "def upgrade() -> None:", f"def upgrade() -> None:\n    {revision}"
            )
        )
        world.commit("a migration that fails")
        assert self._job("release") != 0
        assert world.ledger()[-1]["outcome"] == "undone"
        git(world.repository, "revert", "--no-edit", "HEAD")
        assert self._job("verify") == 0

    def _commit_environment(self) -> None:
        place = self.world.repository / ".homeguru"
        place.mkdir()
        text = (self.world.environments / "sandbox.toml").read_text()
        (place / "sandbox.toml").write_text(text.replace('file = "sandbox.secrets.env"\n', ""))
        self.world.commit("where it is deployed")

    def _job(self, name: str) -> int:
        world, info = self.world, self.world.info
        folder = self.runner / f"{name}-{len(world.printed)}"
        git(world.repository, "clone", "-q", str(world.repository), str(folder / "work"))
        inputs = {"environment": "sandbox", "release": "newest", "dry-run": False, "approve": "to see it fail",
                  "database": "keep"}  # fmt: skip
        secrets = {
            **world.values, "SSH_KEY": info.ssh_key.read_text(), "SSH_HOST": "127.0.0.1",
            "SSH_USER": info.ssh_user, "SSH_PORT": str(info.ssh_port),
            "SSH_KNOWN_HOSTS": f"[127.0.0.1]:{info.ssh_port} {info.host_key}\n",
            # A workflow cannot name an application's own secrets.
            "HOMEGURU_SECRETS": (world.environments / "sandbox.secrets.env").read_text(),
        }  # fmt: skip
        return world.run_job(Job(name, folder / "work", folder / "temp", inputs, secrets)).code

    def _back(self) -> None:
        self._ok("rollback", self._first)

    def _mistakes(self) -> None:
        """Each in a folder of its own, two at a time."""
        (self.world.folder / "mistakes").mkdir()
        with ThreadPoolExecutor(2) as pool:
            for name, code in pool.map(self._mistaken, mistakes(self.world)):
                assert code != 0, f"{name}: was no mistake"

    def _mistaken(self, mistake: Mistake) -> tuple[str, int]:
        world = self.world
        folder = world.folder / "mistakes" / mistake.name.replace(" ", "-")
        folder.mkdir(parents=True)
        text = (world.environments / "sandbox.toml").read_text()
        for before, after in mistake.text.items():
            assert before in text, f"{mistake.name}: no {before!r}"
            text = text.replace(before, after, 1)
        (folder / "sandbox.toml").write_text(text)
        file = folder / "sandbox.secrets.env"
        shutil.copy2(world.environments / file.name, file)
        file.write_bytes(file.read_bytes() + mistake.secrets)
        file.chmod(mistake.mode)
        more = {"HOMEGURU_ENVIRONMENTS": str(folder), **mistake.variables}
        # Not by its words, as the others are kept: they say nothing of what is wrong.
        ended = World.homeguru(world, mistake.words[0], *WORDS, *mistake.words[1:], **more)
        world.keep(f"mistake: {mistake.name}", ended)
        return mistake.name, 0 if "Traceback" in ended.stderr else ended.code

    def _crashes(self) -> None:
        """A defect of ours: Python's traceback, in a terminal and in a run's history."""
        for words in (("plan",), ("deploy", "current")):
            done = subprocess.run(
                [sys.executable, "-c", CRASH, *words, *WORDS], text=True, capture_output=True,
                env=self.world.variables, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode, done.stdout
            self.world.keep(f"crash: {words[0]}", Ended(done.returncode, done.stdout, done.stderr))
