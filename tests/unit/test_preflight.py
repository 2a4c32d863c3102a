"""What a host must have before a release may come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.errors import Refused
from deployments.history.journal import Unfinished
from deployments.history.ledger import Ledger
from deployments.history.step_kind import StepKey
from deployments.host.observation import Project
from deployments.planning.plan import Plan, Step
from deployments.planning.preflight import check_engine, check_room, preflight

NOW = 1_900_000_000.0


def _refused(world, seen) -> Refused:
    with pytest.raises(Refused) as caught:
        preflight(world.environment, world.stack, seen, NOW)
    assert caught.value.where == "deploy@203.0.113.7:22"
    return caught.value


def test_a_prepared_host_passes(world):
    preflight(world.environment, world.stack, world.bare, NOW)


@pytest.mark.parametrize(
    ("seen", "what", "todo"),
    [
        ({"engine": "permission denied while trying to connect to the Docker daemon socket"},
         "deploy may not use Docker", "as root: usermod -aG docker deploy"),
        ({"engine": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."},
         "the Docker engine does not run", "as root: systemctl enable --now docker"),
        ({"engine": "failed to connect to the docker API at unix:///var/run/docker.sock; check if the "
                    "path is correct and if the daemon is running"},
         "the Docker engine does not run", "as root: systemctl enable --now docker"),
        ({"engine": "Cannot connect to the Docker daemon at unix:///run/user/1000/docker.sock."},
         "the Docker engine does not run", "as deploy: systemctl --user start docker"),
        ({"engine": "error during connect: Get \"http://192.0.2.1:2375/v1.45/version\": dial tcp: "
                    "connection refused"},
         "the Docker engine does not run",
         "start it; docker context ls, as deploy, shows where it is looked for"),
        ({"engine": "bash: line 3: docker: command not found"},
         "there is no Docker engine", "install Docker Engine 25 or newer with Compose"),
        ({"engine": ""},
         "there is no Docker engine", "install Docker Engine 25 or newer with Compose"),
        ({"engine": "24.0.9"},
         "Docker engine 24.0.9 is older than 25", "upgrade Docker Engine"),
        ({"compose": ""},
         "Docker Compose v2 is missing", "install the Compose plugin, 2.26 or newer"),
        ({"compose": "2.9.0"},
         "Compose 2.9.0 is older than 2.26", "upgrade the Compose plugin"),
        ({"writable": False},
         "deploy may not write in /srv/homeguru", "as root: chown deploy /srv/homeguru"),
        ({"disk_mb": 2047},
         "2047 MiB of disk are free, 2048 are needed", "free some, or lower need.disk_mb"),
        ({"memory_mb": 255},
         "255 MiB of memory are free, 256 are needed", "free some, or lower need.memory_mb"),
        ({"listening": frozenset({8003})},
         "port 8003, which edge publishes, is taken by another program",
         "publish another one: API_PORT under [variables]; "
         "as root, ss -ltnp 'sport = :8003' says whose port 8003 is"),
        ({"listening": frozenset({3003}), "published": {3003: "grafana"}},
         "port 3003, which edge publishes, is taken by container grafana",
         "publish another one: FRONTEND_PORT under [variables]"),
    ],
)  # fmt: skip
def test_each_reason_to_refuse(world, seen, what, todo):
    error = _refused(world, replace(world.bare, **seen))
    assert (error.what, error.todo, error.state) == (what, todo, "untouched")


@pytest.mark.parametrize("engine", ["25.0.0", "26.1.5+dfsg1", "100.0.1"])
@pytest.mark.parametrize("compose", ["2.26.1-4", "2.100.0", "5.0.0"])
def test_versions_that_are_new_enough(world, engine, compose):
    preflight(
        world.environment, world.stack, replace(world.bare, engine=engine, compose=compose), NOW
    )


def test_just_enough_room_passes(world):
    preflight(world.environment, world.stack, replace(world.bare, disk_mb=2048, memory_mb=256), NOW)


def test_a_stopped_edge_does_not_hold_the_port_that_another_program_has(world):
    seen = world.settled(
        containers=world.changed("edge", state="exited"), listening=frozenset({8003})
    )
    assert _refused(world, seen).what == (
        "port 8003, which edge publishes, is taken by another program"
    )


def test_all_reasons_are_told_at_once(world):
    error = _refused(world, world.settled(writable=False, disk_mb=0))
    assert error.what == (
        "deploy may not write in /srv/homeguru; 0 MiB of disk are free, 2048 are needed"
    )
    assert error.state == f"runs {world.settled().current}, unchanged"


def test_our_own_edge_may_hold_its_ports(world):
    ports = dict.fromkeys((8003, 3003), "homeguru-edge-1")
    seen = world.settled(listening=frozenset(ports), published=ports)
    preflight(world.environment, world.stack, seen, NOW)


def test_another_container_on_a_port_that_the_edge_does_not_have_yet(world):
    ports = {8003: "homeguru-edge-1", 3003: "grafana"}
    seen = world.settled(listening=frozenset(ports), published=ports)
    assert "is taken by container grafana" in _refused(world, seen).what


def test_a_port_from_a_variable(world, make_environment):
    world.environment = make_environment(variables={"API_PORT": "9000"})
    preflight(world.environment, world.stack, replace(world.bare, listening=frozenset({8003})), NOW)
    error = _refused(world, replace(world.bare, listening=frozenset({9000})))
    assert error.what.startswith("port 9000, which edge publishes, ")


def test_an_engine_that_cannot_be_asked_stops_other_verbs_too(world):
    check_engine(world.environment, world.settled())
    with pytest.raises(Refused) as caught:
        check_engine(world.environment, world.settled(engine="permission denied while"))
    assert (caught.value.what, caught.value.state) == ("deploy may not use Docker", "unknown")


def test_the_way_back_waits_for_no_room_and_knows_where_the_server_is(world):
    full = replace(world.bare, disk_mb=1, memory_mb=1)
    for verb in ("rollback", "maintenance"):
        preflight(world.environment, world.stack, full, NOW, verb)
    never = Unfinished("r1", "2-x", (StepKey("replace", "api"),), "2030-01-01T00:00:00Z")
    preflight(world.environment, world.stack, replace(full, unfinished=(never,)), NOW, "deploy")
    told = _refused(world, replace(full, unfinished=(never,), writable=False))
    assert told.state == "between two releases: run r1 of 2030-01-01T00:00:00Z never ended"


def test_a_directory_of_another_environment(world):
    told = _refused(world, replace(world.bare, environment="staging"))
    assert told.what == "directory /srv/homeguru is environment staging's"
    assert "remove /srv/homeguru/.environment" in told.todo
    preflight(world.environment, world.stack, replace(world.bare, environment="prod"), NOW)


@pytest.mark.parametrize(
    ("epoch", "said"),
    [
        (NOW + 7200, "the server's clock is 120 min ahead of this machine's"),
        (NOW - 600, "the server's clock is 10 min behind this machine's"),
    ],
)
def test_a_clock_that_is_wrong(world, epoch, said):
    assert _refused(world, replace(world.bare, epoch=int(epoch))).what == said


def test_a_clock_that_is_a_little_off_passes(world):
    preflight(world.environment, world.stack, replace(world.bare, epoch=int(NOW) - 200), NOW)


def test_a_ledger_that_cannot_be_read_stops_it(world):
    told = _refused(world, replace(world.bare, ledger=Ledger(("not json",))))
    assert "line 1 of releases.jsonl is no line of a ledger" in told.what


def _plan(*names):
    return Plan("deploy", "2-x", "x", "1-x", tuple(Step(n, "") for n in names))


@pytest.mark.parametrize(
    ("steps", "fits"),
    [
        (("pull", "back-up"), True),
        (("back-up", "set-aside"), False),
        (("restore",), True),
        (("replace",), True),
        (("drill", "set-aside"), False),
    ],
)
def test_copies_of_the_database_need_room(world, steps, fits):
    seen = replace(world.bare, database_bytes=800 * 2**20, disk_mb=2048 + 1000, current="1-x")
    if fits:
        check_room(world.environment, _plan(*steps), seen)
        return
    with pytest.raises(Refused) as refused:
        check_room(world.environment, _plan(*steps), seen)
    assert refused.value.what == (
        "the plan makes copies of the database, about 1600 MiB, and 3048 MiB of disk are free, of "
        "which 2048 stay free"
    )
    assert refused.value.state == "runs 1-x, unchanged"


def test_a_backup_that_is_restored_to_verify_it_is_two_copies(world, make_environment):
    seen = replace(world.bare, database_bytes=800 * 2**20, disk_mb=2048 + 1000, current="1-x")
    environment = make_environment(backup={"verify": "restore"})
    with pytest.raises(Refused, match="about 1600 MiB"):
        check_room(environment, _plan("back-up"), seen)


TAKEN = {"listening": frozenset({8003}), "published": {8003: "sunko-api-1"}}


def test_what_was_deployed_by_hand_is_adopted_and_never_stopped(world):
    """Stopped, its data would lie in a volume that nobody mounts any more."""
    seen = replace(world.bare, **TAKEN, holders={"sunko-api-1": "sunko"})
    told = _refused(world, seen)
    assert told.what.endswith("is taken by container sunko-api-1 of Compose project sunko")
    assert told.todo == (
        'to take over what runs, with its data: write project = "sunko", then homeguru adopt '
        "--env prod; to leave it alone, publish other ports, under [variables]"
    )
    settled = replace(seen, current="1-prod-sha-0123456789ab")
    assert _refused(world, settled).todo == "publish another one: API_PORT under [variables]"


def test_a_port_of_another_environment_is_left_to_it(world):
    projects = (Project("sunko", "/srv/staging", environment="staging"),)
    seen = replace(world.bare, **TAKEN, holders={"sunko-api-1": "sunko"}, projects=projects)
    told = _refused(world, seen)
    assert told.what.endswith("is taken by container sunko-api-1 of environment staging")
    assert told.todo.endswith("; staging goes on serving")
    assert "adopt" not in told.todo
