"""What an observation alone says of an environment."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from deployments.health.glance import server_at_a_glance, services_at_a_glance
from deployments.history.ledger import Ledger
from deployments.host.maintenance import Maintenance


def server(seen) -> dict[str, tuple[bool, str]]:
    return {result.check: (result.ok, result.detail) for result in server_at_a_glance(seen)}


def of(world, seen, service: str) -> tuple[bool, str]:
    results = {r.service: (r.ok, r.detail) for r in services_at_a_glance(world.stack, seen)}
    assert set(results) == {s.name for s in world.stack.ordered}
    return results[service]


def test_a_settled_host_is_well(world) -> None:
    line = world.line(1)
    seen = world.settled(ledger=world.ledger(line), current=line.release)
    assert all(r.ok for r in (*services_at_a_glance(world.stack, seen), *server_at_a_glance(seen)))
    assert of(world, seen, "api") == (True, "running, healthy")


def test_a_service_needs_one_container_that_serves(world) -> None:
    sick = world.settled(containers=world.changed("api", health="unhealthy"))
    assert of(world, sick, "api") == (False, "running, unhealthy")
    ended = world.settled(containers=world.changed("bot", state="exited", health=""))
    assert of(world, ended, "bot") == (False, "exited")
    [api] = world.settled().of("api")
    twice = world.settled(containers=(*world.settled().containers, replace(api, id="2")))
    assert of(world, twice, "api") == (False, "2 containers")
    assert of(world, world.bare, "api") == (False, "no container")


def test_a_service_that_runs_once_is_well_when_it_ended_well(world) -> None:
    api = replace(world.stack.services["api"], runs_once=True)
    stack = replace(world.stack, services={**world.stack.services, "api": api})
    for code, ok in ((0, True), (1, False)):
        containers = world.changed("api", state="exited", health="", exit_code=code)
        results = services_at_a_glance(stack, world.settled(containers=containers))
        assert {r.service: r.ok for r in results}["api"] is ok


def test_a_bare_host_has_no_release(world) -> None:
    assert server(world.bare)["release"] == (False, "nothing was deployed yet")


def test_what_is_amiss_of_the_server_is_named(world) -> None:
    ledger = world.ledger(world.line(1), world.line(2))
    seen = world.settled(
        ledger=Ledger(ledger.raw[1:]), current="9-prod-sha-00000000000f", undone=("shop_aside_1",),
        unfinished=(SimpleNamespace(),),
    )  # fmt: skip
    assert server(seen) == {
        "release": (False, "no line of the ledger names release 9-prod-sha-00000000000f, which is the current one"),
        "ledger": (False, "line 1 does not fit the one before"),
        "runs": (False, "1 never ended; the next deploy ends or undoes it"),
        "databases": (False, "1 from before an undo, to be dropped when nobody needs it"),
    }  # fmt: skip
    assert server(replace(seen, locked=True))["runs"] == (True, "one is at work now")


def test_maintenance_is_named_without_who_and_why(world) -> None:
    """The status page may be read by anybody."""
    noted = Maintenance("2030-01-02T10:11:12Z", "anna@laptop.lan", "a bigger disk")
    assert server(world.settled(maintenance=noted))["maintenance"] == (
        True, "on since 2030-01-02 10:11 UTC",
    )  # fmt: skip
    assert "maintenance" not in server(world.settled())
