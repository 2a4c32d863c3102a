"""What a release costs beside its containers: connections, backups, the journal, a killed run.

`make bench` prints the figures. Only counts are asserted; no time ever fails a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from infra.environment.context import assemble
from infra.host.actor import Actor
from infra.host.session import Host
from infra.publish.manifests import find_manifest
from infra.run.operation import Operation, operation_on
from infra.ssh.connection import Remote
from tests.benchmarks.slow_line import slow_line
from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
ROWS = 1_600_000
TIMES = 3
TURNS = 2
PSQL = "docker exec homeguru-postgres-1 psql -U postgres -XAtq"


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("bench", tmp_path_factory.mktemp("bench"), "") as found:
        yield found


@pytest.fixture(scope="module")
def releases(world: World) -> tuple[str, str]:
    before = world.publish()
    world.rename("v2")
    after = world.publish()
    deploy(world, before)
    return before, after


def deploy(world: World, release: str) -> float:
    """Seconds of a deploy without Prefect, in a process of its own."""
    began = time.monotonic()
    run = Deployer(world, "deploy", "-", release)
    assert run.end() == 0, run.text
    return time.monotonic() - began


class Counted:
    """Connections and commands of this process."""

    def __init__(self) -> None:
        self.connections = self.commands = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    found, run, opened = Counted(), Remote.run, Remote.open

    def counting(name, inner):
        def call(*arguments, **more):
            setattr(found, name, getattr(found, name) + 1)
            return inner(*arguments, **more)

        return call

    for name, method, inner in (
        ("commands", "run", run), ("connections", "open", opened),
    ):  # fmt: skip
        monkeypatch.setattr(Remote, method, counting(name, inner))
    return found


@contextmanager
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operation]:
    """An operation in this process; steps run at once."""
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(world.environments))
    monkeypatch.setenv("HOMEGURU_STATE", str(world.state))
    assembly = assemble("sandbox")
    host = Host(assembly.located, Actor("bench", "cli", "bench"), "deploy", lambda _: None)
    try:
        with assembly.registry() as registry:
            yield operation_on(
                assembly, assembly.configuration(), host, registry, lambda _, work: work()
            )
    finally:
        host.close()


def test_a_deploy_of_what_runs(world: World, releases, counted: Counted, monkeypatch) -> None:
    before, seconds = world.containers(), []
    for _ in range(TIMES):
        began = time.monotonic()
        with here(world, monkeypatch) as operation:
            operation.lock()
            manifest = find_manifest(
                operation.targets.assembly.located, operation.executor.registry, releases[0]
            )
            operation.observe()
            seen = operation.run.seen
            planned = operation.planning.deploy(operation.targets.published(manifest), seen)
            assert not planned.plan.changed
            operation.carry_out(planned)
        seconds.append(time.monotonic() - began)
    assert world.containers() == before
    # The lock is a command too; it lasts as long as the run.
    connections, commands = counted.connections / TIMES, counted.commands / TIMES + 1
    say(
        f"no-change deploy: {connections:.0f} connection, {commands:.0f} commands, "
        f"0 containers, {min(seconds):.2f} s outside Prefect"
    )
    assert connections == 1
    assert commands <= 4


def test_a_run_after_a_killed_one(world: World, releases) -> None:
    before, after = releases
    normal, again = [], []
    for _ in range(TIMES):
        normal += [deploy(world, after), deploy(world, before)]
        killed = Deployer(world, "deploy", "replace bot", after)
        assert killed.stands("replace bot"), killed.text
        killed.kill()
        again.append(deploy(world, after))
        deploy(world, before)
    took, usual = median(again), median(normal)
    say(
        f"run after a SIGKILL: {took:.1f} s ({min(again):.1f} to {max(again):.1f}), a normal deploy "
        f"{usual:.1f} s ({min(normal):.1f} to {max(normal):.1f}), ratio {took / usual:.2f}"
    )


def test_the_ledger_on_a_line_of_50_ms(world: World, releases, monkeypatch) -> None:
    _, after = releases
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    steps: dict[str, float] = {}
    with slow_line(world.info.ssh_port, 0.025) as (port, _):
        file.write_text(text.replace(f"port = {world.info.ssh_port}", f"port = {port}"))
        try:
            with here(world, monkeypatch) as operation:
                operation.lock()
                manifest = find_manifest(
                    operation.targets.assembly.located, operation.executor.registry, after
                )
                operation.observe()
                seen = operation.run.seen
                target = operation.targets.published(manifest)
                began = time.monotonic()
                operation.executor.perform = timed(steps)
                report = operation.carry_out(operation.planning.deploy(target, seen))
                took = time.monotonic() - began
        finally:
            file.write_text(text)
    assert report.outcome == "ok"
    say(
        f"at 50 ms a round trip: {took:.1f} s of steps, of which ledger and report {steps['record']:.2f} s"
    )


def timed(steps: dict[str, float]):
    """Runs each step and notes its seconds."""

    def perform(step, work) -> None:
        began = time.monotonic()
        work()
        steps[step.name] = time.monotonic() - began

    return perform


def test_backup_and_restore_against_plain(world: World, releases) -> None:
    """Rounds of plain and ours, each first in every second one, from the same rest."""
    world.on_server(
        f'{PSQL} -d homeguru -c "INSERT INTO messages (text) SELECT repeat(md5(n::text), 16) '
        f'FROM generate_series(1, {ROWS}) n"'
    )
    size = int(
        world.on_server(f'{PSQL} -d homeguru -c "SELECT pg_database_size(current_database())"')
    )
    world.ok("backup", "--env", "sandbox", PREFECT_API_URL="")
    copies = {plain_copy: [], our_copy: []}
    for turn in range(2 * TURNS):
        for copy in (plain_copy, our_copy)[:: -1 if turn % 2 else 1]:
            at_rest(world)
            copies[copy].append(copy(world))
    rounds = list(zip(copies[plain_copy], copies[our_copy], strict=True))
    say(f"database of {size / 1e6:.0f} MB, median of {len(rounds)} rounds (least to most)")
    for at, name in enumerate(("backup, read back", "restore")):
        ours, plain = [our[at] for _, our in rounds], [plain[at] for plain, _ in rounds]
        ratios = [our / of_plain for our, of_plain in zip(ours, plain, strict=True)]
        say(
            f"{name}: {size / 1e6 / median(ours):.0f} MB/s, plain "
            f"{size / 1e6 / median(plain):.0f} MB/s, ratio {median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


def at_rest(world: World) -> None:
    """Whoever first reads what was just restored marks its rows, and writes that down."""
    world.on_server(f'{PSQL} -d homeguru -c "VACUUM ANALYZE" -c CHECKPOINT')


def plain_copy(world: World) -> tuple[float, float]:
    """Seconds of pg_dump and reading it back, and of pg_restore into a database of its own."""
    exec_ = "docker exec -i homeguru-postgres-1"
    dump = clock(world, f"{exec_} pg_dump -U postgres -d homeguru -Fc > plain.dump")
    read = clock(world, f"{exec_} pg_restore -f /dev/null < plain.dump")
    load = clock(
        world,
        f'{PSQL} -d postgres -c "CREATE DATABASE plain TEMPLATE template0"; '
        f"{exec_} pg_restore -U postgres -d plain < plain.dump",
    )
    world.on_server(f'rm -f plain.dump; {PSQL} -d postgres -c "DROP DATABASE plain"')
    return dump + read, load


def our_copy(world: World) -> tuple[float, float]:
    """Seconds of the two steps of a restore, which backs up first: back up, restore."""
    run = Deployer(world, "restore", "-", "")
    assert run.end() == 0, run.text
    return run.took["back up database"], run.took["restore database"]


def clock(world: World, script: str) -> float:
    began = time.monotonic()
    world.on_server(script)
    return time.monotonic() - began
