"""Which services differ, and the reason that a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.compose.reader import parse_stack
from deployments.image_name import digest_of, short
from deployments.planning.changes import changes, unused_changes


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


def test_a_variable_and_a_secret_are_shown_beside_a_new_image(world, digest):
    """Who approves an image approves them too."""
    target = world.target({"LLM_MODEL": "x"}, bot="bot-2")
    candidate = world.candidate({"bot": "1"}, TELEGRAM_BOT_TOKEN="other")
    [found] = changes(target, world.settled(), candidate)
    assert found.reason == f"image {short(digest('bot-1'))} -> {short(digest('bot-2'))}"
    assert found.details == ("variables changed: LLM_MODEL", "secrets changed: TELEGRAM_BOT_TOKEN")
    assert found.to_dict()["secrets"]["changed"] == ["TELEGRAM_BOT_TOKEN"]
    assert found.to_dict()["image"]["before"].endswith(digest("bot-1"))


def test_a_variable_that_is_dropped_is_shown_too(world):
    seen = world.settled(env=world.settled().env + "LLM_MODEL='x'\n")
    [found] = changes(world.target(bot="bot-2"), seen, world.candidate({"bot": "1"}))
    assert found.details == ("variables changed: LLM_MODEL",)


def test_details_are_shown_beside_a_container_that_does_not_serve(world):
    seen = world.settled(containers=world.changed("bot", state="exited", health=""))
    [found] = changes(world.target({"LLM_MODEL": "x"}), seen, world.candidate({"bot": "1"}))
    assert (found.reason, found.details) == (
        "its container is exited", ("variables changed: LLM_MODEL",),
    )  # fmt: skip


def test_nothing_is_said_of_the_variables_that_a_start_by_hand_had(world):
    seen = world.settled(current="0-adopted", env="SOME='thing'\n")
    [found] = changes(world.target(bot="bot-2"), seen, world.candidate({"bot": "1"}))
    assert found.details == ()


BOT = {"image": "${BOT_IMAGE}"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, "variables changed: A"),
        ({"environment": {"A": "1"}}, {"environment": {"B": "1"}},
         "variables added: B; variables removed: A"),
        ({"environment": {"M": "${LLM_MODEL:-a}"}}, {"environment": {"M": "${LLM_MODEL:-b}"}},
         "variables changed: M"),
        ({"environment": {"T": "${TELEGRAM_BOT_TOKEN}"}}, {},
         "variables removed: T; secrets removed: TELEGRAM_BOT_TOKEN"),
        ({}, {"environment": {"TELEGRAM_BOT_TOKEN": "${TELEGRAM_BOT_TOKEN}"}},
         "secrets added: TELEGRAM_BOT_TOKEN"),
        ({"command": ["a"]}, {"command": ["b"], "user": "x"}, "definition changed: command, user"),
        ({"command": ["${X:-}"]}, {"command": ["${Y:-}"]},
         "variables added: Y; variables removed: X; definition changed: command"),
        ({"ports": ["${P:-1}:80"]}, {"ports": [{"published": "2", "target": 80, "protocol": "tcp"}]},
         "ports added: 2:80; ports removed: 1:80"),
        ({"ports": ["127.0.0.1:1:80"]}, {"ports": [
            {"published": "1", "target": 80, "protocol": "tcp", "host_ip": "127.0.0.1"}]}, ""),
        ({"volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
         {"volumes": [{"type": "bind", "source": "./d", "target": "/d", "read_only": True}]},
         "volumes added: ./d:/d:ro; volumes removed: homeguru_data:/d"),
    ],
)  # fmt: skip
def test_what_another_compose_file_changes_is_named(world, before, after, said):
    volumes = {"data": {"name": "${COMPOSE_PROJECT_NAME}_data"}}

    def stack(body):
        config = {"services": {"bot": {**BOT, **body}}, "x-deploy": {"v": 1}, "volumes": volumes}
        return parse_stack(repr(body), config, "compose.yml")

    seen = world.settled()
    candidate = replace(world.candidate({"bot": "other"}), before=stack(before))
    world.stack = stack(after)
    [found] = changes(world.target(bot="bot-2"), seen, candidate)
    assert "; ".join(found.details) == said


def test_a_changed_port_of_a_variable_is_shown(world):
    candidate = replace(world.candidate({"edge": "other"}), before=world.stack)
    assert _reasons(world, world.target({"API_PORT": "9000"}), candidate=candidate) == {
        "edge": "ports added: 9000:8003; ports removed: 8003:8003"
    }


def _unused(world, target, candidate) -> list[str]:
    seen = world.settled()
    return unused_changes(target, seen, candidate, changes(target, seen, candidate))


def test_a_variable_that_fills_a_port_has_its_service_replaced(world):
    """The plan's words have the port and not its variable."""
    candidate = replace(world.candidate({"edge": "other"}), before=world.stack)
    assert _unused(world, world.target({"API_PORT": "9000"}), candidate) == []


def test_a_variable_that_fills_the_name_of_a_volume_has_its_service_replaced(world):
    seen = world.settled()
    candidate = replace(world.candidate({"postgres": "other"}), before=world.stack)
    target = world.target({"POSTGRES_VOLUME": "another"})
    found = changes(target, seen, candidate)
    assert "volumes added: another:" in found[0].reason
    assert unused_changes(target, seen, candidate, found) == []


def test_a_variable_that_no_service_uses_is_told_whatever_words_the_plan_has(world):
    """`changed` and `command` stand in what the plan says of other things."""
    seen = world.settled()
    config = {"services": {"bot": {**BOT, "command": ["b"]}}, "x-deploy": {"v": 1}}
    before = parse_stack("x", {**config, "services": {"bot": BOT}}, "compose.yml")
    candidate = replace(world.candidate({"bot": "other"}), before=before)
    world.stack = parse_stack("y", config, "compose.yml")
    target = world.target({**world.variables, "command": "x", "changed": "y"})
    found = changes(target, seen, candidate)
    assert "definition changed: command" in found[0].reason
    assert {"changed", "command"} <= set(unused_changes(target, seen, candidate, found))
