"""Every path that a release can take, under load: who noticed?

`make zero` plays all of them and prints the table.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from infra.engine.client import docker
from tests.benchmarks.document import table, write_section
from tests.e2e.conftest import ROOT, World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer
from tests.e2e.zero.figures import HEAD
from tests.e2e.zero.paths import (
    ALONE,
    BROKEN_PAGE,
    LATE,
    NEVER,
    PAGE_ENDS,
    ROUTER,
    START,
    answers,
    changed,
    deploy,
    failing,
    unnoticed,
    versions,
)
from tests.e2e.zero.users import Users

pytestmark = [pytest.mark.e2e, pytest.mark.zero]
MAIN = "src/api/main.py"


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own, with Dockerfiles and edge of its own, and Prefect's server."""
    folder = tmp_path_factory.mktemp("zero")
    with world_of_its_own("zero", folder, f"{prefect}/api") as found:
        shutil.copytree(ROOT / "docker", folder / "docker")
        file = found.environments / "sandbox.toml"
        own = 'compose = "../docker/docker-compose.prod.yml"\n\n[host]'
        file.write_text(file.read_text().replace("[host]", own, 1))
        yield found


@pytest.fixture(scope="module")
def releases(world: World) -> dict[str, str]:
    """Everything that is deployed later, published before anybody asks anything."""
    found = {}

    def publish(name: str) -> None:
        found[name] = world.publish()

    publish("first")
    world.rename("api2")
    publish("new api and bot")
    world.edit({"frontend/app/version.ts": ('"v1"', '"v2"')}, "page")
    publish("new page")
    world.add_migration("colour", "ALTER TABLE messages ADD COLUMN colour text")
    world.edit({"frontend/app/version.ts": ('"v2"', '"v3"')}, "page again")
    world.rename("api3")
    publish("all three, with a migration")
    for name, text in (("never healthy", NEVER), ("crashes later", LATE)):
        with world.broken({MAIN: (START, text)}, name):
            publish(name)
    new_api = {"src/version.py": ('"api3"', '"never"')}
    with world.broken({**new_api, BROKEN_PAGE: ("", PAGE_ENDS)}, "page never healthy"):
        publish("a good api, and a page that is never healthy")
    with world.broken({"src/version.py": ('"api3"', '"alone"'), MAIN: (ROUTER, ALONE)}, "alone"):
        publish("healthy, and not reached from the edge")
    deployed = world.homeguru("deploy", found["first"], "--env", "sandbox")
    assert deployed.code == 0, deployed.stderr
    return found


@pytest.fixture(scope="module")
def users(world: World, releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    found = Users(world, tmp_path_factory.mktemp("load") / "asked.jsonl")
    with found.busy():
        yield found
    text = table([HEAD, *[path.row for path in found.paths]])
    write_section("zero", "make zero", text)
    say(text)


def test_nothing_fails_while_nothing_happens(users: Users) -> None:
    unnoticed(users.path("nothing", lambda: time.sleep(20)))


def test_a_release_that_runs_already(world: World, users: Users, releases) -> None:
    """Shows what a deployer costs that shares the machine with those who ask."""
    unnoticed(users.path("what runs already", lambda: deploy(world, releases["first"])))


@pytest.mark.parametrize("name", ["new api and bot", "new page", "all three, with a migration"])
def test_a_release(world: World, users: Users, releases, name: str) -> None:
    unnoticed(users.path(name, lambda: deploy(world, releases[name])))


def test_a_variable(world: World, users: Users, releases) -> None:
    world.set_variable("LLM_MODEL", "openai/gpt-7")
    unnoticed(
        users.path("a variable", lambda: deploy(world, releases["all three, with a migration"]))
    )


def test_an_api_that_is_never_healthy(world: World, users: Users, releases) -> None:
    take = failing(world, releases["never healthy"], "broken on purpose")
    unnoticed(users.path("never healthy, undone", take))


def test_a_page_that_is_never_healthy_beside_a_good_api(
    world: World, users: Users, releases
) -> None:
    """Both are prepared together, and nobody is sent to the one that is well."""
    name = "a good api, and a page that is never healthy"
    with versions(world) as seen:
        unnoticed(
            users.path(name, failing(world, releases[name], "all new containers are removed"))
        )
    assert set(seen) == {"api3"}
    assert len(seen) > 20


def test_an_api_that_answers_itself_alone(world: World, users: Users, releases) -> None:
    """Its own health check passes; the edge's does not, and that one counts."""
    name = "healthy, and not reached from the edge"
    before = world.version()
    with versions(world) as seen:
        unnoticed(users.path(name, failing(world, releases[name], "answers 503 to the edge")))
    assert set(seen) == {before}


def test_a_rollback_by_name(world: World, users: Users, releases) -> None:
    words = ("rollback", releases["new page"], "--env", "sandbox")
    unnoticed(users.path("rollback by name", lambda: world.ok(*words) and None))


def test_a_deployer_that_is_killed_in_mid_replace(world: World, users: Users, releases) -> None:
    wanted = releases["all three, with a migration"]

    def take() -> str:
        killed = Deployer(world, "deploy", "replace api", wanted)
        assert killed.stands("replace api"), killed.text
        killed.go()
        count = "docker ps -q --filter label=com.docker.compose.service=api | wc -l"
        while world.on_server(count).strip() != "2":
            time.sleep(0.1)
        killed.kill()
        deploy(world, wanted)
        return ""

    unnoticed(users.path("deployer killed in mid replace, next run", take))


def test_another_configuration_of_the_edge(world: World, users: Users, releases) -> None:
    file = world.environments.parent / "docker" / "edge" / "haproxy.cfg"
    file.write_text(
        file.read_text().replace("timeout http-request 10s", "timeout http-request 11s")
    )
    before = world.containers()
    unnoticed(
        users.path(
            "edge configuration", lambda: deploy(world, releases["all three, with a migration"])
        )
    )
    assert "http-request 11s" in world.on_server("cat edge/haproxy.cfg")
    assert world.containers() == before


def test_an_api_that_crashes_in_its_bake_window(world: World, users: Users, releases) -> None:
    """The one path beside the reboot where requests may fail: for how long is printed."""
    with changed(world, "[host]", "bake_minutes = 1\n\n[host]"):
        found = users.path(
            "crash in the bake window", failing(world, releases["crashes later"], "api")
        )
    assert (found.doubled, found.lost) == (0, 0)
    say(f"failures over {found.during.gap:.1f} s")


def test_a_crash_while_the_release_before_is_kept(world: World, users: Users, releases) -> None:
    """The one before takes over: only what was in flight at the crash may fail."""
    with changed(world, "[host]", "bake_minutes = 1\nkeep_previous = true\n\n[host]"):
        take = failing(world, releases["crashes later"], "api")
        found = users.path("crash in the bake window, the one before kept", take)
    assert (found.doubled, found.lost) == (0, 0)
    # In flight at the crash: about five slow answers, and one or two of the others.
    assert len(found.during.failed) <= 10, found.during.what_failed
    assert found.during.gap < 2, "something failed after the crash as well"


def test_what_was_kept_goes_when_the_window_is_over(world: World, users: Users, releases) -> None:
    with changed(world, "[host]", "bake_minutes = 1\nkeep_previous = true\n\n[host]"):
        take = users.path(
            "rollback, the one before kept for a minute",
            lambda: world.ok("rollback", releases["new page"], "--env", "sandbox") and None,
        )
    unnoticed(take)
    count = "docker ps -q --filter label=com.docker.compose.project=homeguru | wc -l"
    assert world.on_server(count).strip() == "5"


def test_an_engine_that_restarts(world: World, users: Users) -> None:
    """As a reboot does: containers stop and come back. Here requests fail; for how long is printed."""
    what_runs = (
        "docker ps -a --format '{{.Names}} {{.Status}}'; grep 'server ' edge/haproxy.cfg; "
        "for c in edge api; do docker logs --tail 12 $(docker ps -aq --filter "
        "label=com.docker.compose.service=$c | head -n 1) 2>&1; done"
    )

    def take() -> None:
        docker("exec", world.info.server, "pkill", "-TERM", "-x", "dockerd")
        time.sleep(5)
        deadline = time.monotonic() + 180
        while not (answers(world.info.api_url) and answers(world.info.frontend_url)):
            assert time.monotonic() < deadline, f"not back: {world.on_server(what_runs)}"
            time.sleep(0.5)

    found = users.path("engine restarted", take)
    assert found.after.failed == [], found.after.what_failed
    say(f"failures over {found.during.gap:.1f} s")


def test_there_was_never_a_second_poller(users: Users) -> None:
    assert users.conflicts() == 0
