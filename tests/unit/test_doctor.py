"""What `doctor` says of a server: each planted fault is found by its name, and has something that mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.bootstrap import daemon, firewall
from deployments.bootstrap.plan import plan
from deployments.compose.reader import parse_stack
from deployments.errors import Refused
from deployments.health.doctor import (
    examined,
    of_host,
    of_machine,
    of_policies,
    of_processor,
    worst,
)
from deployments.history.journal import Unfinished
from deployments.history.ledger import Ledger
from tests.unit.test_bootstrap import DONE, WANTED

NOW = 1_900_000_000


@pytest.fixture
def seen(world):
    return replace(
        world.bare, engine="27.0.1", compose="2.30.0", epoch=NOW, disk_mb=9000, memory_mb=2000,
        writable=True,
    )  # fmt: skip


def found(environment, stack, seen) -> dict[str, str]:
    return {d.name: d.verdict for d in of_host(environment, stack, seen, NOW)}


def test_a_server_that_lacks_nothing(world, make_environment, seen) -> None:
    environment = make_environment()
    assert set(found(environment, world.stack, seen).values()) == {"ok"}
    machine = replace(DONE, firewall_file=firewall.rules((22,), (3003, 8003)))
    verdicts = [d.verdict for d in of_machine(environment, world.stack, machine)]
    assert set(verdicts) == {"ok"}


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"engine": "permission denied"}, "Docker"),
        ({"engine": "20.10.24"}, "Docker"),
        ({"compose": ""}, "Docker"),
        ({"writable": False}, "directory"),
        ({"disk_mb": 10}, "room"),
        ({"memory_mb": 10}, "room"),
        ({"epoch": NOW + 4000}, "clock"),
        ({"environment": "staging"}, "owner"),
        ({"ledger": Ledger(("garbage",))}, "ledger"),
    ],
)
def test_each_fault_of_a_deploy_has_its_name(world, make_environment, seen, fault, name) -> None:
    environment = make_environment()
    diagnoses = list(of_host(environment, world.stack, replace(seen, **fault), NOW))
    wrong = [d for d in diagnoses if d.verdict == "wrong"]
    assert [d.name for d in wrong] == [name]
    assert wrong[0].todo


@pytest.mark.parametrize(
    ("fault", "name", "verdict"),
    [
        ({"firewall_file": None}, "firewall", "warning"),
        ({"firewall_file": firewall.rules((22,), (3003,))}, "ports from outside", "wrong"),
        ({"sshd": {**DONE.sshd, "passwordauthentication": ("yes",)}}, "sshd", "warning"),
        ({"sshd": {**DONE.sshd, "permitrootlogin": ("yes",)}}, "sshd", "warning"),
        ({"facts": {**DONE.facts, "updates": "no"}}, "updates", "warning"),
        ({"facts": {**DONE.facts, "memory_kb": "900000", "swap_kb": "0"}}, "memory", "warning"),
        ({"daemon": '{"live-restore": true}'}, "logs", "warning"),
        ({"daemon": '{"log-opts": {"max-file": "3"}, "live-restore": true}'}, "logs", "warning"),
        ({"daemon": '{"log-opts": {"max-size": "1m"}}'}, "restarts", "warning"),
    ],
)
def test_each_fault_of_a_machine_has_its_name(
    world, make_environment, fault, name, verdict
) -> None:
    environment = make_environment()
    machine = replace(DONE, firewall_file=firewall.rules((22,), (3003, 8003)))
    diagnoses = list(of_machine(environment, world.stack, replace(machine, **fault)))
    wrong = [d for d in diagnoses if d.verdict != "ok"]
    assert [(d.name, d.verdict) for d in wrong] == [(name, verdict)]
    assert wrong[0].todo == f"homeguru bootstrap --env {environment.name}"


@pytest.mark.parametrize(
    ("state", "name", "what"),
    [
        ({"sshd_file": None}, "sshd", "keys, no passwords"),
        ({"sshd": {}}, "sshd", "keys, no passwords"),
        ({"sshd": {}, "sshd_file": None}, "sshd", "its settings are for root alone to read"),
        ({"sshd": {}, "sshd_file": "Include /run/x"}, "sshd", "its settings are for root alone to read"),
        ({"daemon": '{"log-driver": "journald", "live-restore": true}'}, "logs",
         "of containers go to journald, whose limits are its own"),
        ({"daemon": daemon.configuration(None, swarm=True), "facts": {**DONE.facts, "swarm": "active"}},
         "restarts", "of the engine restart all containers, as Swarm wants it"),
        ({"daemon": daemon.configuration('{"live-restore": false}', swarm=False)}, "restarts",
         "of the engine restart all containers, as /etc/docker/daemon.json says"),
    ],
)  # fmt: skip
def test_nothing_is_said_to_lack_where_a_bootstrap_has_nothing_to_do(
    world, make_environment, state, name, what
) -> None:
    machine = replace(DONE, firewall_file=firewall.rules((22,), (3003, 8003)), **state)
    if machine.sshd:
        assert plan(WANTED, machine) == ()
    diagnoses = {d.name: d for d in of_machine(make_environment(), world.stack, machine)}
    assert {d.verdict for d in diagnoses.values()} == {"ok"}
    assert diagnoses[name].what == what


def test_engine_settings_that_nobody_can_read_are_a_fault_with_a_name(
    world, make_environment
) -> None:
    machine = replace(DONE, firewall_file=firewall.rules((22,), (3003, 8003)), daemon="{")
    wrong = [d for d in of_machine(make_environment(), world.stack, machine) if d.verdict != "ok"]
    assert [(d.name, d.verdict) for d in wrong] == [("Docker's settings", "wrong")]
    assert "daemon.json" in wrong[0].what


def test_a_run_that_never_ended_is_named(world, make_environment, seen) -> None:
    left = replace(seen, unfinished=(Unfinished("r1", "1-x", (), "2030-01-01T00:00:00Z"),))
    [run] = [d for d in of_host(make_environment(), world.stack, left, NOW) if d.name == "runs"]
    assert (run.verdict, "never ended" in run.what) == ("warning", True)


def test_what_nobody_notices_until_it_is_needed(world, make_environment) -> None:
    environment = make_environment()
    assert [d.verdict for d in of_policies(environment, world.stack)] == ["warning", "warning"]


def test_backups_of_an_application_whose_database_is_not_described(make_environment) -> None:
    """`[backup] every_hours` would do nothing."""
    environment = make_environment(backup={"every_hours": 24})
    services = {"web": {"image": "${WEB_IMAGE}"}}
    stack = parse_stack("", {"services": services, "x-deploy": {"v": 1}}, "compose.yml")
    _, backups = of_policies(environment, stack)
    assert (backups.verdict, backups.what) == ("ok", "no database is described")
    kept = replace(stack, volumes={"web": (("data", "/data"),)})
    _, backups = of_policies(environment, kept)
    assert backups.verdict == "warning"
    assert backups.what == "no database is described: no data is backed up"
    assert "`database` under x-deploy" in backups.todo


def test_an_error_is_a_diagnosis() -> None:
    def look() -> str:
        raise Refused("it is gone", where="/x", todo="make it")

    diagnosis = examined("this machine", "x", look)
    assert (diagnosis.verdict, diagnosis.what, diagnosis.todo) == ("wrong", "/x: it is gone", "make it")  # fmt: skip
    assert worst([diagnosis]) == "wrong"
    assert worst([]) == "ok"


def test_images_for_another_processor_are_found_before_a_container_ends_with_an_exec_format_error() -> (
    None
):
    assert [d.verdict for d in of_processor("arm64", "arm64")] == ["ok"]
    (found,) = of_processor("arm64", "amd64")
    assert (found.verdict, found.name) == ("warning", "processor")
    assert "--platform=linux/amd64" in found.todo
    # Nobody builds here, or nobody knows.
    assert not list(of_processor("", "amd64"))
    assert not list(of_processor("amd64", ""))


def test_one_line_is_one_line(world, make_environment, seen) -> None:
    for lines, text in ((0, "0 lines"), (1, "1 line"), (2, "2 lines")):
        ledger = world.ledger(*[world.line(n) for n in range(1, lines + 1)])
        found = of_host(make_environment(), world.stack, replace(seen, ledger=ledger), NOW)
        assert [d.what for d in found if d.name == "ledger"] == [text]
