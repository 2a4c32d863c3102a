"""Every credential exchanged under load: nobody is refused, the former one ends, a kill converges."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.benchmarks.document import table, write_section
from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer
from tests.e2e.zero.figures import HEAD
from tests.e2e.zero.paths import changed, deploy, unnoticed
from tests.e2e.zero.users import Users

pytestmark = [pytest.mark.e2e, pytest.mark.zero]
PASSWORD = "DATABASE_PASSWORD"
FIRST, SECOND = "homeguru", "homeguru_2"
OF_NOBODY = {"DATABASE_OWNER_PASSWORD": "homeguru_owner", "POSTGRES_PASSWORD": "postgres"}
"""Secrets that no running container logs in with, and their roles."""
GIVEN_OUT = ("TELEGRAM_BOT_TOKEN", "OPENROUTER_API_KEY")


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own with a release."""
    with world_of_its_own("rotate", tmp_path_factory.mktemp("rotate"), f"{prefect}/api") as found:
        deploy(found, found.publish())
        yield found


@pytest.fixture(scope="module")
def users(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    found = Users(world, tmp_path_factory.mktemp("load") / "asked.jsonl")
    with found.busy():
        yield found
    text = table([HEAD, *[path.row for path in found.paths]])
    write_section("rotation", "make zero", text)
    say(text)


def secret(world: World, name: str) -> str:
    """What the environment's file holds."""
    lines = (world.environments / "sandbox.secrets.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)[name]


def logs_in(world: World, role: str, password: str) -> bool:
    """Whether PostgreSQL takes a password over the network."""
    id_of = "docker ps -q --filter label=com.docker.compose.service=postgres"
    script = (
        f"id=$({id_of}); address=$(docker inspect -f "
        "'{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' $id | cut -d' ' -f1); "
        f"PGPASSWORD='{password}' docker exec -e PGPASSWORD $id "
        f"psql -h $address -U {role} -d homeguru -XAtqc 'SELECT current_user' 2>&1 || true"
    )
    said = world.on_server(script).strip()
    assert said in (FIRST, role) or "authentication failed" in said, said
    return "failed" not in said


def role(world: World) -> str:
    """Which role the server's containers log in as."""
    return SECOND if SECOND in world.on_server("cat .env") else FIRST


def rotate(world: World, name: str, *words: str) -> None:
    ended = world.homeguru("rotate", name, "--env", "sandbox", *words)
    assert ended.code == 0, f"{ended.stdout}\n{ended.stderr}"


@pytest.mark.parametrize("turn", [SECOND, FIRST])
def test_the_applications_password(world: World, users: Users, turn: str) -> None:
    """Twice: the two roles take turns."""
    former, before = role(world), secret(world, PASSWORD)
    unnoticed(users.path(f"rotate {PASSWORD}, to {turn}", lambda: rotate(world, PASSWORD)))
    assert role(world) == turn != former
    assert logs_in(world, turn, secret(world, PASSWORD))
    assert not logs_in(world, former, before)
    assert not logs_in(world, turn, before)
    assert world.ledger()[-1]["verb"] == "rotate"


def test_what_nobody_is_served_by(world: World, users: Users) -> None:
    """The owner's and the superuser's: no container changes, PostgreSQL's least of all."""
    containers = world.containers()
    for name, who in OF_NOBODY.items():
        before = secret(world, name)
        unnoticed(users.path(f"rotate {name}", lambda name=name: rotate(world, name)))
        assert logs_in(world, who, secret(world, name))
        assert not logs_in(world, who, before)
    assert world.containers() == containers
    assert "nothing to do" in world.homeguru("deploy", "current", "--env", "sandbox").stdout
    assert world.homeguru("verify", "--env", "sandbox").code == 0


def test_what_the_application_reads(world: World, users: Users) -> None:
    before = secret(world, "JWT_SECRET_KEY")
    unnoticed(users.path("rotate JWT_SECRET_KEY", lambda: rotate(world, "JWT_SECRET_KEY")))
    assert secret(world, "JWT_SECRET_KEY") != before
    shown = world.on_server(
        "docker exec $(docker ps -q --filter label=com.docker.compose.service=api) printenv JWT_SECRET_KEY"
    )
    assert shown.strip() == secret(world, "JWT_SECRET_KEY")


def test_what_somebody_else_gives_out(world: World, users: Users) -> None:
    """BotFather ends the former token before the new one can be deployed: what people write waits."""
    url, before = world.info.telegram_control_url, users.token
    new = f"{before.partition(':')[0]}:the-new-token-of-the-same-bot"
    given = world.environments / "given"

    def take() -> None:
        revoke(world, users, new)
        given.write_text(f"{new}\n")
        rotate(world, "TELEGRAM_BOT_TOKEN", "--value-file", str(given))

    unnoticed(users.path("rotate TELEGRAM_BOT_TOKEN", take))
    asked = [httpx.get(f"{url}/bot{t}/getMe", trust_env=False).status_code for t in (before, new)]
    assert asked == [401, 200]
    given.write_text("sk-or-v1-another\n")
    take_key = lambda: rotate(world, "OPENROUTER_API_KEY", "--value-file", str(given))  # noqa: E731
    unnoticed(users.path("rotate OPENROUTER_API_KEY", take_key))
    assert secret(world, "OPENROUTER_API_KEY") == "sk-or-v1-another"


def test_the_deploy_key(world: World, users: Users) -> None:
    key = Path(world.info.ssh_key)
    before = key.read_text()
    former = key.with_name("kept")
    former.write_text(before)
    former.chmod(0o600)
    unnoticed(users.path("rotate deploy-key", lambda: rotate(world, "deploy-key", "--yes")))
    assert key.read_text() != before
    assert world.homeguru("status", "--env", "sandbox").code == 0
    words = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", str(former),
             "-p", str(world.info.ssh_port), f"{world.info.ssh_user}@127.0.0.1", "true"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "Permission denied" in done.stderr) == (255, True), done.stderr


def test_one_that_fails_leaves_the_value_of_before(world: World, users: Users) -> None:
    """New containers have no time to get healthy, so that nobody meets one."""
    before, containers = secret(world, PASSWORD), world.containers()

    def fail() -> None:
        ended = world.homeguru("rotate", PASSWORD, "--env", "sandbox")
        assert (ended.code, "is the one of before again" in ended.stderr) == (1, True), ended.stderr

    with changed(world, "healthy_within = 45", "healthy_within = 1"):
        unnoticed(users.path("a rotation that fails, undone", fail))
    assert secret(world, PASSWORD) == before
    assert world.containers() == containers
    assert logs_in(world, role(world), before)
    assert world.homeguru("verify", "--env", "sandbox").code == 0


KILLED = (PASSWORD, *OF_NOBODY, "JWT_SECRET_KEY", "TELEGRAM_BOT_TOKEN", "OPENROUTER_API_KEY")


@pytest.mark.parametrize("name", KILLED)
def test_a_kill_at_every_boundary_converges(world: World, users: Users, name: str) -> None:
    """At each step a rotation is killed, and one run later one value is valid: the file's."""
    stood = _killed_at(world, users, name, "-")
    assert stood, "a rotation has steps"
    for step in stood:
        _killed_at(world, users, name, step)
        # What somebody else gave out is in the file already: nobody is asked for it again.
        rotate(world, name)
        assert in_effect(world, users, name), step
        assert world.homeguru("verify", "--env", "sandbox").code == 0, step
        assert not list((world.state / "rotations").rglob("*.json")), step


def _killed_at(world: World, users: Users, name: str, step: str) -> list[str]:
    """Kill a rotation before a step; its steps. `-`: none is killed."""
    new = issued(world, users, name)
    deployer = Deployer(world, "rotate", step, f"{name} {new}".strip())
    if step == "-":
        assert deployer.end() == 0, deployer.text
    else:
        assert deployer.stands(step), deployer.text
        deployer.kill()
    return deployer.steps


def issued(world: World, users: Users, name: str) -> str:
    """File with a new value of somebody else's, the former one ended; empty for what is made up here."""
    if name not in GIVEN_OUT:
        return ""
    bot, _, _ = users.token.partition(":")
    new = f"{bot}:{uuid.uuid4().hex}" if name == "TELEGRAM_BOT_TOKEN" else uuid.uuid4().hex
    if name == "TELEGRAM_BOT_TOKEN":
        revoke(world, users, new)
    file = world.environments / "given"
    file.write_text(f"{new}\n")
    return str(file)


def revoke(world: World, users: Users, new: str) -> None:
    """As BotFather does: the former token is refused from now on."""
    revoked = {"token": users.token, "new": new}
    url = f"{world.info.telegram_control_url}/_revoke"
    httpx.post(url, json=revoked, trust_env=False).raise_for_status()
    users.token = new


def in_effect(world: World, users: Users, name: str) -> bool:
    """Whether the file's value is the one that is accepted, and of two roles only one logs in."""
    value = secret(world, name)
    if name in OF_NOBODY:
        return logs_in(world, OF_NOBODY[name], value)
    if name == PASSWORD:
        return [logs_in(world, r, value) for r in (FIRST, SECOND)] == [
            r == role(world) for r in (FIRST, SECOND)
        ]
    if name == "TELEGRAM_BOT_TOKEN":
        assert value == users.token
    ids = "docker ps -q --filter label=com.docker.compose.service"
    return {
        world.on_server(f"docker exec $({ids}={s}) printenv {name}").strip() for s in ("api", "bot")
    } == {value}
