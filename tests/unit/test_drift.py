"""Drift: every way in which a host leaves its release, told by name and never by value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.compose.env_file import render_env
from deployments.health.drift import find_drift, heals, unknown_current
from deployments.health.verification import CheckResult
from deployments.history.ledger import Revision
from deployments.host.candidate import Candidate, ReleaseRecord
from deployments.host.edge_answers import with_maintenance
from deployments.host.maintenance import Maintenance


def kept_by(world, **changes) -> ReleaseRecord:
    """What the settled host keeps of its release."""
    seen, target = world.settled(), world.target()
    found = ReleaseRecord(
        compose_file=target.stack.text, env=render_env(target.env(seen)), edge=seen.edge,
        candidate=world.candidate(), backup_seconds=None,
    )  # fmt: skip
    return replace(found, **changes)


def drift_of(world, kept: ReleaseRecord | None = None, **changes) -> list[CheckResult]:
    return find_drift(world.target(), world.settled(**changes), kept or kept_by(world))


def said(findings: list[CheckResult]) -> list[str]:
    assert not any(f.ok for f in findings)
    return [f"{f.service} {f.check}: {f.detail}" for f in findings]


def test_a_settled_host_has_none(world) -> None:
    assert drift_of(world) == []


def test_a_container_that_runs_another_image(world) -> None:
    other = f"ghcr.io/acme/homeguru-api@{world.digest('other')}"
    found = drift_of(world, containers=world.changed("api", ref=other, digests=(other,)))
    running, wanted = (world.digest(n)[7:19] for n in ("other", "api-1"))
    assert said(found) == [f"api drift: runs {running}, not {wanted}"]
    assert heals(found)


def test_a_stopped_and_a_missing_container(world) -> None:
    stopped = drift_of(world, containers=world.changed("bot", state="exited", health=""))
    assert said(stopped) == ["bot drift: its container is exited"]
    gone = tuple(c for c in world.settled().containers if c.service != "bot")
    assert said(drift_of(world, containers=gone)) == ["bot drift: its container is gone"]


def test_a_container_that_was_made_with_another_configuration(world) -> None:
    found = drift_of(world, containers=world.changed("api", config_hash="another"))
    assert said(found) == ["api drift: its container was made with another configuration"]


def test_without_compose_hashes_containers_are_not_suspected(world) -> None:
    """Where Compose cannot read the files, that itself is what is told."""
    kept = kept_by(world, candidate=Candidate({}))
    assert drift_of(world, kept) == []


def test_a_container_that_belongs_to_no_release(world) -> None:
    strange = world.container("adminer", "adminer:4", name="homeguru-adminer-1")
    found = drift_of(world, containers=(*world.settled().containers, strange))
    assert said(found) == ["adminer unknown: container homeguru-adminer-1 belongs to no release"]
    # Such as one that prints a migration's SQL for a plan.
    passing = replace(strange, one_off=True)
    assert drift_of(world, containers=(*world.settled().containers, passing)) == []


def test_an_edited_variable_is_named_without_its_value(world) -> None:
    env = world.settled().env + "LLM_MODEL='somebody/model'\n"
    found = drift_of(world, env=env)
    assert said(found) == ["server .env: variables changed: LLM_MODEL"]
    assert "somebody" not in repr(found)


def test_files_that_were_edited_or_removed(world) -> None:
    seen = world.settled()
    edited = drift_of(world, compose_file=seen.compose_file + "\n", edge=seen.edge + "# mine\n")
    assert said(edited) == [
        "server compose.yml: the file was edited", "server haproxy.cfg: the file was edited"
    ]  # fmt: skip
    gone = drift_of(world, compose_file="", env="", edge="")
    assert [f.detail for f in gone] == ["the file is gone"] * 3


def test_slots_that_a_replacement_wrote_are_no_drift(world) -> None:
    moved = world.settled().edge.replace("homeguru-api-1", "homeguru-api-7")
    assert moved != world.settled().edge
    assert drift_of(world, edge=moved) == []


ON = Maintenance("2030-01-01T00:00:00Z", "ada", "a bigger disk")


def test_maintenance_is_no_drift_while_file_and_note_agree(world) -> None:
    edge = with_maintenance(world.settled().edge)
    assert drift_of(world, edge=edge, maintenance=ON) == []
    # A release that came meanwhile has it in its own copy, and it is off by now.
    assert drift_of(world, kept_by(world, edge=edge)) == []


def test_an_edge_that_has_not_read_its_file_is_drift_that_heals(world) -> None:
    (edge,) = world.settled().of("edge")
    found = drift_of(world, edge_unread=edge.id)
    assert said(found) == ["server haproxy.cfg: the edge has not read the file that is there"]
    assert heals(found)


@pytest.mark.parametrize("noted", [True, False])
def test_a_file_that_disagrees_with_the_note_is_drift_that_heals(world, noted: bool) -> None:
    edge = world.settled().edge
    found = drift_of(
        world, edge=edge if noted else with_maintenance(edge), maintenance=ON if noted else None
    )
    assert said(found) == ["server haproxy.cfg: the file was edited"]
    assert heals(found)


def test_edited_secrets_are_named_and_left_to_a_person(world) -> None:
    candidate = world.candidate()
    now = {**candidate.secrets_now, "JWT_SECRET_KEY": "another fingerprint"}
    kept = kept_by(world, candidate=replace(candidate, secrets_now=now))
    found = drift_of(world, kept, containers=world.changed("bot", state="exited"))
    assert "server secrets: changed in secrets.env: JWT_SECRET_KEY" in said(found)
    assert not heals(found)


def test_a_secrets_file_that_is_gone_can_be_put_back(world) -> None:
    kept = kept_by(world, candidate=replace(world.candidate(), secrets_now={}))
    found = drift_of(world, kept)
    assert said(found) == ["server secrets.env: the file is gone"]
    assert heals(found)


def test_a_release_of_before_fingerprints_were_kept_says_nothing_of_secrets(world) -> None:
    kept = kept_by(world, candidate=replace(world.candidate(), secrets_then={}))
    assert drift_of(world, kept) == []


def test_a_database_that_was_migrated_by_hand(world) -> None:
    ledger = world.ledger(
        world.line(1), world.line(2, revision=Revision(before="0002", after=None))
    )
    assert drift_of(world, ledger=ledger) == []
    found = drift_of(world, ledger=ledger, revision="0003")
    assert said(found) == ["postgres revision: the database is at 0003, the ledger says 0002"]
    assert not heals(found)


def test_a_database_that_does_not_run_is_told_by_its_container_only(world) -> None:
    found = drift_of(
        world, ledger=world.ledger(world.line(1)), revision=None,
        containers=world.changed("postgres", state="exited"),
    )  # fmt: skip
    assert [f.check for f in found] == ["drift"]


def test_an_edited_ledger(world) -> None:
    ledger = world.ledger(world.line(1), world.line(2), world.line(3))
    raw = (ledger.raw[0].replace("alice", "mallory"), *ledger.raw[1:])
    found = drift_of(world, ledger=replace(ledger, raw=raw), revision="0002")
    assert said(found) == ["server ledger: line 2 does not fit the one before"]
    assert not heals(found)


@pytest.mark.parametrize("service", ["api", "bot"])
def test_what_is_left_out_of_verification_is_left_out_here(
    world, make_environment, service: str
) -> None:
    world.environment = make_environment(verify={"leave_out": [service]})
    found = drift_of(world, containers=world.changed("bot", state="exited"))
    assert bool(found) == (service != "bot")


def test_a_current_release_that_no_line_names(world):
    ledger = world.ledger(world.line(1))
    seen = world.settled(ledger=ledger, current="2-prod-sha-000000000002")
    assert unknown_current(seen) == [
        "no line of the ledger names release 2-prod-sha-000000000002, which is the current one"
    ]
    assert unknown_current(replace(seen, current="1-prod-sha-000000000001")) == []
