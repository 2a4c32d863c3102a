"""Which services differ, and the reason that a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.changes import changes, digest_of, short


def _reasons(world, target=None, seen=None, candidate=None):
    target, seen = target or world.target(), seen or world.settled()
    found = changes(target, seen, candidate or world.candidate())
    return {c.service.name: c.reason for c in found}


def test_nothing_differs(world):
    assert _reasons(world) == {}


def test_on_a_bare_host_everything_is_missing_in_the_order_of_replacement(world):
    found = changes(world.target(), world.bare, world.candidate())
    assert [c.service.name for c in found] == ["postgres", "edge", "api", "frontend", "bot"]
    assert {c.reason for c in found} == {"not there yet"}
    assert all(c.first and c.new_image for c in found)


def test_a_new_image(world, digest):
    [found] = changes(world.target(api="api-2"), world.settled(), world.candidate())
    before, after = short(digest("api-1")), short(digest("api-2"))
    assert found.reason == f"image {before} -> {after}"
    assert (found.new_image, found.first) == (True, False)
    assert found.image.endswith(digest("api-2"))


def test_an_image_that_no_registry_has_is_told_by_its_id(world, digest):
    lonely = {"ref": "api:latest", "digests": (), "image": "sha256:0123456789abcdef"}
    seen = world.settled(containers=world.changed("api", **lonely))
    assert _reasons(world, seen=seen) == {"api": f"image 0123456789ab -> {short(digest('api-1'))}"}


def test_two_containers_of_one_service(world):
    seen = world.settled()
    second = replace(seen.of("api")[0], id="other", name="homeguru-api-2")
    seen = replace(seen, containers=(*seen.containers, second))
    [found] = changes(world.target(), seen, world.candidate())
    assert found.reason == "2 containers, left by a replacement that did not end"
    assert not found.new_image


@pytest.mark.parametrize(
    ("state", "health", "said"),
    [
        ("exited", "", "its container is exited"),
        ("restarting", "unhealthy", "its container is restarting"),
        ("running", "unhealthy", "its container is unhealthy"),
        ("running", "starting", "its container is starting"),
    ],
)
def test_a_container_that_does_not_serve(world, state, health, said):
    seen = world.settled(containers=world.changed("bot", state=state, health=health))
    assert _reasons(world, seen=seen) == {"bot": said}


def test_a_changed_variable_replaces_only_its_users(world):
    target = world.target({"JWT_ACCESS_TOKEN_EXPIRE_DAYS": "30"})
    candidate = world.candidate({"api": "other"})
    assert _reasons(world, target, candidate=candidate) == {
        "api": "variables changed: JWT_ACCESS_TOKEN_EXPIRE_DAYS"
    }


def test_a_changed_secret_is_named_for_each_of_its_users(world):
    candidate = world.candidate({"api": "1", "bot": "2"}, OPENROUTER_API_KEY="other")
    assert _reasons(world, candidate=candidate) == {
        "api": "secrets changed: OPENROUTER_API_KEY",
        "bot": "secrets changed: OPENROUTER_API_KEY",
    }


def test_variables_and_secrets_at_once(world):
    target = world.target({"LLM_MODEL": "x", "COLLECTOR_MODE": "demo"})
    candidate = world.candidate({"bot": "1"}, TELEGRAM_BOT_TOKEN="other")
    assert _reasons(world, target, candidate=candidate) == {
        "bot": "variables changed: COLLECTOR_MODE, LLM_MODEL; secrets changed: TELEGRAM_BOT_TOKEN"
    }


def test_a_changed_definition(world):
    candidate = world.candidate({"frontend": "other"})
    assert _reasons(world, candidate=candidate) == {
        "frontend": "its definition in the Compose file changed"
    }


def test_a_new_digest_of_another_service_is_no_reason(world):
    """The image variable of a service reaches `migrate` too, which is no long-running one."""
    candidate = world.candidate({"bot": "other"})
    assert _reasons(world, world.target(api="api-2"), candidate=candidate)["bot"] == (
        "its definition in the Compose file changed"
    )


@pytest.mark.parametrize(
    ("digest_text", "expected"),
    [("sha256:0123456789abcdef", "0123456789ab"), ("", "none")],
)
def test_a_short_digest(digest_text, expected):
    assert short(digest_text) == expected


def test_the_digest_of_a_reference():
    assert digest_of("host:5000/a/b@sha256:1") == "sha256:1"
    assert digest_of("a:latest") == ""


def test_another_registry_or_repository_is_shown_beside_the_digests(
    world, digest, make_environment
):
    moved = replace(world, environment=make_environment(pull_registry="mirror.example.org"))
    seen = world.settled()
    before, after = short(digest("api-1")), short(digest("api-2"))
    found = _reasons(moved, moved.target(api="api-2"), seen)
    assert found["api"] == (
        f"image ghcr.io/acme/homeguru-api@{before} -> mirror.example.org/acme/homeguru-api@{after}"
    )


def test_the_same_image_from_another_place_is_shown(world, make_environment):
    moved = replace(world, environment=make_environment(repository="other/{service}"))
    found = _reasons(moved, moved.target(), world.settled(), world.candidate({"api": "other"}))
    assert found["api"].startswith(
        "the same image from ghcr.io/other/api, before from ghcr.io/acme/homeguru-api; "
    )
