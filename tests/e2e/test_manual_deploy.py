"""doc/guides/manual-deploy.md, read from top to bottom on a server from nothing.

Each test reads on where the one before ended. The registry asks for a password.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt
import httpx
import pytest

from deployments.manifest import Manifest, ServiceImage
from infra.sandbox.client import docker
from infra.sandbox.environment import write_environment
from infra.sandbox.parts import remove
from infra.sandbox.sandbox import Sandbox, SandboxInfo
from tests.e2e.conftest import APPLICATION, ROOT, say
from tests.e2e.guide_blocks import Block, BlockFailed, Terminal, blocks, filled_in
from tests.e2e.test_story import MIGRATION

pytestmark = pytest.mark.e2e
GUIDE = ROOT / "doc" / "guides" / "manual-deploy.md"
PROJECT = "hgtest-manual"
USER = "reader"
MODEL_KEY = "sk-or-$none #1"
"""A value that Compose and a shell would spoil if the guide did not quote it."""
REGISTRY = """\
version: 0.1
storage: { filesystem: { rootdirectory: /var/lib/registry } }
http: { addr: ":5000" }
auth: { htpasswd: { realm: registry, path: /htpasswd } }
"""


class Reader:
    """Somebody who reads the guide, with a terminal here, one on the server, and its console."""

    def __init__(self, host: SandboxInfo, folder: Path, token: str) -> None:
        self.host, self.folder, self.token = host, folder, token
        self.source, self.work = folder / "homeguru", folder / "work"
        self.todo = [b for b in blocks(GUIDE.read_text()) if b.is_shell and not b.reason]
        self.began = time.monotonic()
        self.typed: dict[str, str] = {}
        self._open = ExitStack()
        self._terminals: dict[str, Terminal] = {}

    def read(self, section: str) -> list[str]:
        """Run the blocks of the next section; what each one printed."""
        assert self.todo and self.todo[0].section == section, "the guide goes on elsewhere"
        printed, began = [], time.monotonic()
        while self.todo and self.todo[0].section == section:
            printed.append(self._run(self.todo.pop(0)))
        say(f"{section}: {time.monotonic() - began:.0f} s")
        return printed

    def close(self) -> None:
        self._open.close()

    def on_server(self, line: str) -> str:
        """What one more command prints in the server's terminal."""
        return self._terminal("server").run(line).strip()

    def new_terminal(self) -> Terminal:
        """A further terminal on the server."""
        return self._open.enter_context(
            Terminal("ssh", "-F", str(self.work / "ssh.config"), "homeguru")
        )

    def _run(self, block: Block) -> str:
        text, answers = block.text, ""
        if block.section == "What you fill in":
            if "read -rsp" in text:
                names = text.partition("for name in ")[2].partition(";")[0].split()
                answers = "".join(f"{self._secrets[name]}\n" for name in names)
            else:
                text = filled_in(text, self._values)
        place = block.info.split()[1]
        return self._terminal(place).run(text, answers)

    def _terminal(self, place: str) -> Terminal:
        if place not in self._terminals:
            self._terminals[place] = self._enter(place)
        return self._terminals[place]

    def _enter(self, place: str) -> Terminal:
        if place == "server":
            return self.new_terminal()
        if place == "root":
            console = Terminal("docker", "exec", "-i", self.host.server, "sh", "-c")
        else:
            assert place == "laptop", place
            console = Terminal(cwd=ROOT, env=laptop(self.folder))
        return self._open.enter_context(console)

    @property
    def _values(self) -> dict[str, str]:
        upstream = f"{self.host.registry}/library"
        return {
            "HOST": "127.0.0.1", "SSH_PORT": str(self.host.ssh_port),
            "SSH_USER": self.host.ssh_user, "KEY": str(self.host.ssh_key),
            "HOST_KEY": self.host.host_key, "REGISTRY": self.host.registry, "OWNER": PROJECT,
            "REGISTRY_USER": USER, "RELEASE": "sha-000000000001",
            "NEXT_RELEASE": "sha-000000000002", "POSTGRES_IMAGE": f"{upstream}/postgres:16",
            "EDGE_IMAGE": f"{upstream}/haproxy:3.0", "API_URL": self.host.api_url,
            "FRONTEND_URL": self.host.frontend_url, "TELEGRAM_API_URL": self.host.telegram_url,
            "SOURCE": str(self.source), "WORK": str(self.work),
        }  # fmt: skip

    @property
    def _secrets(self) -> dict[str, str]:
        bot = "1234567890:abcdefghijklmnopqrstuvwxyzABCDEFGHI"
        return {
            "REGISTRY_TOKEN": self.token, "OPENROUTER_API_KEY": MODEL_KEY,
            "TELEGRAM_BOT_TOKEN": bot,
        }  # fmt: skip


def laptop(folder: Path) -> dict[str, str]:
    """Variables of the terminal here: a home and a Docker configuration of its own."""
    real = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    config = folder / "docker"
    config.mkdir()
    plugins = {"cliPluginsExtraDirs": [str(real / "cli-plugins")]}
    (config / "config.json").write_text(json.dumps(plugins))
    engine = docker("context", "inspect", "-f", "{{.Endpoints.docker.Host}}")
    return {
        **os.environ, "HOME": str(folder), "DOCKER_CONFIG": str(config), "DOCKER_HOST": engine,
        "BUILDX_CONFIG": str(real / "buildx"), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip


def ask_for_a_password(host: SandboxInfo, folder: Path) -> str:
    """Close the registry to all but one account; returns its token."""
    token = secrets.token_urlsafe(24)
    hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(5, prefix=b"2a")).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    (folder / "config.yml").write_text(REGISTRY)
    container = f"{host.project}-registry"
    docker("cp", str(folder / "htpasswd"), f"{container}:/htpasswd")
    docker("cp", str(folder / "config.yml"), f"{container}:/etc/docker/registry/config.yml")
    docker("restart", "-t", "2", container)
    return token


@contextmanager
def same_registry_there(host: SandboxInfo, folder: Path) -> Iterator[None]:
    """Give the server the registry under the name that it has here."""
    known = folder / "tunnel_known_hosts"
    known.write_text(f"tunnel {host.host_key}\n")
    words = ["-i", str(host.ssh_key), "-p", str(host.ssh_port), "-F", "none", "-N"]
    for option in ("HostKeyAlias=tunnel", f"UserKnownHostsFile={known}", "BatchMode=yes",
                   "StrictHostKeyChecking=yes", "ExitOnForwardFailure=yes"):  # fmt: skip
        words += ["-o", option]
    port = host.registry.rpartition(":")[2]
    tunnel = subprocess.Popen(
        ["ssh", *words, "-R", f"{port}:127.0.0.1:{port}", f"{host.ssh_user}@127.0.0.1"]
    )
    try:
        yield
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def forget_images() -> None:
    """Remove the images that a run pushed from here."""
    shape = "{{.Repository}}:{{.Tag}}"
    shown = docker("images", "--format", shape, "--filter", f"reference=*/{PROJECT}/*")
    if shown:
        docker("rmi", *shown.split())


@pytest.fixture(scope="module")
def reader(engine, tmp_path_factory) -> Iterator[Reader]:
    """A reader at the first line, a server from nothing, a registry that asks for a password."""
    remove(PROJECT)
    folder = tmp_path_factory.mktemp("manual")
    # A fixed place: the same ports again, so that the frontend's build is still in the cache.
    sandbox = Sandbox(PROJECT, ROOT / ".state" / PROJECT, say)
    ignored = shutil.ignore_patterns("node_modules", ".next", ".venv", "__pycache__")
    shutil.copytree(APPLICATION, folder / "homeguru", ignore=ignored)
    try:
        host = sandbox.up()
        token = ask_for_a_password(host, folder)
        with same_registry_there(host, folder):
            someone = Reader(host, folder, token)
            yield someone
            someone.close()
    finally:
        sandbox.down()
        forget_images()


def answers(reader: Reader) -> dict:
    """What the API says of itself, from outside."""
    return httpx.get(f"{reader.host.api_url}/health", trust_env=False).json()


def messages(reader: Reader) -> list[str]:
    rows = httpx.get(f"{reader.host.api_url}/messages", trust_env=False).json()
    return [row["text"] for row in rows]


def post(reader: Reader, text: str) -> None:
    address = f"{reader.host.api_url}/messages"
    assert httpx.post(address, json={"text": text}, trust_env=False).status_code == 201


def test_a_server_and_a_way_to_it(reader: Reader) -> None:
    reader.read("What you fill in")
    (shown,) = reader.read("The server's user and directory")
    assert shown.strip().endswith(reader.host.host_key)
    reader.read("SSH with a key and a pinned host key")


def test_another_host_key_is_refused(reader: Reader) -> None:
    other = reader.folder / "other_known_hosts"
    login = subprocess.check_output(["ssh-keygen", "-y", "-f", reader.host.ssh_key], text=True)
    other.write_text(f"homeguru {login}")  # a good key, but not this server's
    words = ["ssh", "-F", str(reader.work / "ssh.config"), "-o", f"UserKnownHostsFile={other}"]
    done = subprocess.run([*words, "homeguru", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_images_and_files(reader: Reader) -> None:
    reader.read("Images")
    reader.read("Files")
    with pytest.raises(BlockFailed, match="no basic auth credentials"):
        reader.new_terminal().run(
            "cd /opt/systech/sunko; COMPOSE_ENV_FILES=.env,secrets.env docker compose pull api"
        )
    reader.read("Pull")
    assert reader.on_server("stat -c '%a %n' secrets.env") == "600 secrets.env"
    assert "auth" not in reader.on_server("cat ~/.docker/config.json").replace('"auths": {}', "")


def test_database_and_migrations(reader: Reader) -> None:
    reader.read("Database")
    (shown,) = reader.read("Migrations")
    assert shown.split()[-1] == "a1b2c3d40002"
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    psql = "docker compose exec -T postgres psql -U postgres -d homeguru -Atc"
    assert reader.on_server(f'{psql} "{owners}"') == "homeguru_owner"


def test_it_serves_users(reader: Reader) -> None:
    reader.read("Start")
    inside, outside = reader.read("Checks")
    assert "variable is not set" not in inside
    assert inside.count("(healthy)") == 5
    assert inside.count("restarts 0") == 5
    assert "webhook: none" in inside
    assert '"status":"ok"' in outside and "page: 200" in outside
    assert answers(reader) == {"status": "ok", "version": "v1", "revision": "a1b2c3d40002"}
    assert reader.on_server("docker compose exec -T api printenv OPENROUTER_API_KEY") == MODEL_KEY
    page = httpx.get(reader.host.frontend_url, trust_env=False).text
    assert "HomeGuru" in page
    post(reader, "before")
    say(f"from nothing to checked: {(time.monotonic() - reader.began) / 60:.1f} minutes")


def test_homeguru_refuses_to_start_beside_it(reader: Reader) -> None:
    environments = reader.folder / "environments"
    write_environment(reader.host, environments)
    services = {name: image(name) for name in ("api", "bot", "edge", "frontend", "postgres")}
    manifest = Manifest(
        name="sandbox-src-000000000001", source="none", ref="", commit="", author="",
        created="2030-01-01T00:00:00Z", build_env={"NEXT_PUBLIC_API_URL": reader.host.api_url},
        services=services,
    )  # fmt: skip
    file = reader.folder / "manifest.json"
    file.write_text(manifest.to_json())
    words = [sys.executable, "-m", "infra.cli", "plan", "--env", "sandbox", str(file)]
    variables = {**os.environ, "HOMEGURU_ENVIRONMENTS": str(environments)}
    done = subprocess.run(words, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    (said,) = (b.text for b in blocks(GUIDE.read_text()) if b.text.startswith("Error: "))
    address = f"{reader.host.ssh_user}@127.0.0.1:{reader.host.ssh_port}"
    assert done.stderr.strip() == said.replace("systech@92.255.78.249:22", address).strip()


def image(service: str) -> ServiceImage:
    """An image that no registry has: the plan is refused before anybody asks for it."""
    return ServiceImage(repository=service, digest=f"sha256:{'0' * 64}", built=True, inputs="")


def test_a_new_version(reader: Reader) -> None:
    version = reader.source / "src" / "version.py"
    version.write_text(version.read_text().replace('"v1"', '"v2"'))
    migration = MIGRATION.format(
        name="chairs", revision="a1b2c3d40003", before="a1b2c3d40002",
        sql="CREATE TABLE chairs (id int)",
    )  # fmt: skip
    (reader.source / "migrations" / "versions" / "0003_chairs.py").write_text(migration)
    reader.read("A new version")
    assert eventually(reader, "v2", "a1b2c3d40003")
    post(reader, "after")


def test_a_second_bot_with_the_same_token_is_told_so(reader: Reader) -> None:
    reader.on_server("docker compose run --detach --name second bot")
    told = "docker logs second 2>&1 | grep -q 'terminated by other getUpdates request'"
    reader.on_server(f"for _ in {{1..60}}; do {told} && break; sleep 1; done; {told}")
    reader.on_server("docker rm -f second")


def test_the_way_back(reader: Reader) -> None:
    reader.read("Going back")
    assert answers(reader) == {"status": "ok", "version": "v1", "revision": "a1b2c3d40002"}
    assert messages(reader) == ["before"]
    post(reader, "again")


def test_nothing_is_left_unread(reader: Reader) -> None:
    assert reader.todo == []
    say(f"the whole guide: {(time.monotonic() - reader.began) / 60:.1f} minutes")


def eventually(reader: Reader, version: str, revision: str) -> bool:
    """Whether it answers so within ten seconds: the edge follows the new container."""
    for _ in range(40):
        if (got := answers(reader))["version"] == version and got["revision"] == revision:
            return True
        time.sleep(0.25)
    return False
