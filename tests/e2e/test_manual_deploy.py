"""doc/guides/manual-deploy.md, read from top to bottom on a server from nothing.

Each test reads on where the one before ended. The registry asks for a password.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from deployments.release.manifest import Manifest, ServiceImage
from infra.sandbox.environment import write_environment
from infra.sandbox.parts import remove
from infra.sandbox.sandbox import Sandbox
from tests.e2e.conftest import APPLICATION, MIGRATION, ROOT, say
from tests.e2e.guide_blocks import BlockFailed, blocks
from tests.e2e.guide_reader import (
    MODEL_KEY,
    USER,
    Reader,
    ask_for_a_password,
    forget_images,
    same_registry_there,
)

pytestmark = [pytest.mark.e2e, pytest.mark.guide]
GUIDE = ROOT / "doc" / "guides" / "manual-deploy.md"
PROJECT = "hgtest-manual"


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
            someone = Reader(GUIDE, host, folder, token)
            yield someone
            someone.close()
    finally:
        sandbox.down()
        forget_images(PROJECT)


def answers(reader: Reader) -> dict:
    """What the API says of itself, from outside."""
    return httpx.get(f"{reader.host.api_url}/health", trust_env=False).json()


def messages(reader: Reader, limit: int = 100) -> list[str]:
    rows = httpx.get(f"{reader.host.api_url}/messages?limit={limit}", trust_env=False).json()
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
    whose, error = done.stderr.strip().split("\n", 1)
    assert whose.startswith(f"from {environments / 'sandbox.toml'} on this machine")
    said = said.replace("--env production", "--env sandbox")
    assert error == said.replace("systech@92.255.78.249:22", address).strip()


def image(service: str) -> ServiceImage:
    """An image that no registry has: the plan is refused before anybody asks for it."""
    repository = f"systech/homeguru-{service}"
    return ServiceImage(repository=repository, digest=f"sha256:{'0' * 64}", built=True, inputs="")


def test_a_new_version(reader: Reader) -> None:
    version = reader.source / "src" / "version.py"
    version.write_text(version.read_text().replace('"v1"', '"v2"'))
    migration = MIGRATION.format(
        name="chairs", revision="a1b2c3d40003", before="a1b2c3d40002",
        back="SELECT 1", sql="CREATE TABLE chairs (id int)",
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


# -- handing it over -----------------------------------------------------------------


@pytest.fixture(scope="module")
def homeguru(reader: Reader) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, with an environment that speaks of the project that runs here."""
    environments = reader.folder / "handed-over"
    file = write_environment(reader.host, environments)
    login = 'login = { user = "REGISTRY_USER", token = "REGISTRY_TOKEN" }\n'
    text = file.read_text().replace('project = "homeguru"', 'project = "sunko"')
    text = text.replace("\n[host]", f"\n{login}\n[host]", 1)
    text = text.replace("names = [", 'names = ["REGISTRY_USER", "REGISTRY_TOKEN", ')
    file.write_text(f"{text}\n[watch]\nevery = 0\n")
    known = (reader.work / "secrets.env").read_text()
    secrets = environments / "sandbox.secrets.env"
    secrets.write_text(f"{known}REGISTRY_USER={USER}\nREGISTRY_TOKEN={reader.token}\n")
    variables = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
        "HOMEGURU_ENVIRONMENTS": str(environments), "HOMEGURU_STATE": str(reader.folder / "state"),
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.cli", *words, "--env", "sandbox"]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    return run


ROWS = 1000
PSQL = "docker compose exec -T postgres psql -U postgres -d homeguru -XAtqc"
COUNT = f"{PSQL} \"SELECT count(*) FROM messages WHERE text LIKE 'by hand %'\""


def test_it_is_adopted_and_nothing_is_touched(reader: Reader, homeguru) -> None:
    filled = f"INSERT INTO messages (text) SELECT 'by hand ' || n FROM generate_series(1, {ROWS}) n"
    reader.on_server(f'{PSQL} "{filled}"')
    before = reader.on_server("docker ps -q --no-trunc | sort")
    homeguru("adopt")
    assert reader.on_server("docker ps -q --no-trunc | sort") == before
    assert "0-adopted" in homeguru("status", "--json").stdout


def test_the_first_deploy_keeps_the_rows(reader: Reader, homeguru) -> None:
    homeguru("release", "--allow-dirty", "--source", str(reader.source))
    assert eventually(reader, "v2", "a1b2c3d40003")
    assert messages(reader, 1000)[0] == f"by hand {ROWS}"


def test_a_rollback_brings_the_guides_containers_back(reader: Reader, homeguru) -> None:
    """The migration only added, and the guide's file says that nothing migrates at start."""
    homeguru("rollback", "0-adopted")
    assert eventually(reader, "v1", "a1b2c3d40003")
    assert reader.on_server(COUNT) == str(ROWS)
    shown = reader.on_server("docker compose ps --format '{{.Image}}'")
    assert "@sha256:" not in shown and "homeguru-api:sha-000000000001" in shown
    homeguru("verify")


def eventually(reader: Reader, version: str, revision: str) -> bool:
    """Whether it answers so within ten seconds: the edge follows the new container."""
    for _ in range(40):
        if (got := answers(reader))["version"] == version and got["revision"] == revision:
            return True
        time.sleep(0.25)
    return False
