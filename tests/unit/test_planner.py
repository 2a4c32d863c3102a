"""From what was seen to a list of steps."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deployments.compose.env_file import parse_env
from deployments.compose.reader import parse_stack
from deployments.environment.policy import Services
from deployments.history.ledger import StepRecord
from deployments.host.edge import IDLE, read_slots, render
from deployments.planning.planner import undo_of_first
from deployments.planning.request import PlanRequest

TOGETHER = ("start new containers", "replace bot", "replace api", "drain old containers")
"""Steps of a plan that replaces api and bot."""


def names(plan):
    return [step.name for step in plan.steps]


def reasons(plan):
    return {step.name: step.reason for step in plan.steps}


def test_a_first_deploy(world):
    plan = world.plan(world.target(), world.bare)
    assert names(plan) == [
        "upload", "pull", "start new containers", "start postgres", "prepare roles", "migrate", "start edge",
        "start new containers", "start api", "start frontend", "start bot", "verify",
    ]  # fmt: skip
    assert reasons(plan)["upload"] == "Compose file, variables, secrets; 5 services change"
    assert reasons(plan)["pull"] == "by digest: postgres, edge, api, frontend, bot"
    assert reasons(plan)["migrate"] == "from an empty database, by api's image"
    assert reasons(plan)["start bot"] == "not there yet"
    assert plan.notes == ()


def test_only_steps_that_are_safe_to_repeat_say_so(world):
    plan = world.plan(world.target(), world.bare)
    assert [s.name for s in plan.steps if s.repeatable] == ["upload", "pull", "verify"]


def test_a_settled_host_needs_nothing(world):
    plan = world.plan(world.target(), world.settled())
    assert plan.steps == ()
    assert not plan.changed
    assert [name for name, _ in plan.unchanged] == ["postgres", "edge", "api", "frontend", "bot"]


def test_one_service_changed(world, digest):
    plan = world.plan(world.target(bot="bot-2"), world.settled())
    assert names(plan) == ["upload", "pull", "replace bot", "verify"]
    assert reasons(plan)["upload"] == "Compose file, variables, secrets; 1 service changes"
    assert reasons(plan)["pull"] == "by digest: bot"
    assert reasons(plan)["replace bot"].endswith(" (stop first)")
    assert "bot" not in dict(plan.unchanged)
    assert world.digest_in(plan, "bot") == digest("bot-2")


def test_a_new_image_of_the_migrating_service_migrates_before_it_serves(world):
    plan = world.plan(world.target(api="api-2"), world.settled())
    assert names(plan) == [
        "upload", "pull", "back up database", "prepare roles", "migrate", "replace api", "verify",
    ]  # fmt: skip
    assert reasons(plan)["migrate"] == "from 0002, by api's image"
    assert reasons(plan)["replace api"].endswith(" (start first)")


def test_an_unmigrated_database_is_migrated_although_no_image_changed(world):
    plan = world.plan(world.target(), world.settled(revision=None))
    assert names(plan) == ["upload", "prepare roles", "migrate", "verify"]


def test_a_changed_variable_alone(world):
    target = world.target({"COLLECTOR_MODE": "demo"})
    plan = world.plan(target, world.settled(), world.candidate({"api": "1", "bot": "2"}))
    assert names(plan) == ["upload", *TOGETHER, "verify"]
    assert reasons(plan)["replace api"] == "variables changed: COLLECTOR_MODE (start first)"


def test_users_whom_nobody_serves_do_not_wait_for_the_bots_exchange(world):
    """Its stop and start take seconds: it is first only where the others serve all the while."""
    seen = world.settled()
    down = tuple(replace(c, state="exited") if c.service == "api" else c for c in seen.containers)
    target = world.target({"COLLECTOR_MODE": "demo"})
    plan = world.plan(
        target, replace(seen, containers=down), world.candidate({"api": "1", "bot": "2"})
    )
    switched = [n for n in names(plan) if n.startswith(("replace", "start "))]
    assert switched == ["start new containers", "replace api", "replace bot"]


def test_a_variable_that_no_service_uses_is_a_change_of_files(world):
    plan = world.plan(world.target({"NOTE": "x"}), world.settled())
    assert names(plan) == ["upload", "verify"]
    assert reasons(plan)["upload"] == "Compose file, variables, secrets; no container changes"


def test_a_changed_secret_alone(world):
    candidate = world.candidate({"bot": "other"}, TELEGRAM_BOT_TOKEN="new")
    plan = world.plan(world.target(), world.settled(), candidate)
    assert names(plan) == ["upload", "replace bot", "verify"]


def test_a_secret_that_changes_no_container_is_uploaded(world):
    plan = world.plan(world.target(), world.settled(), world.candidate(JWT_SECRET_KEY="new"))
    assert names(plan) == ["upload", "verify"]


@pytest.mark.parametrize("name", ["DATABASE_PASSWORD", "DATABASE_OWNER_PASSWORD"])
def test_a_rotated_database_password_reaches_the_database_first(world, name):
    candidate = world.candidate({"api": "other"}, **{name: "new"})
    plan = world.plan(world.target(), world.settled(), candidate)
    assert names(plan) == ["upload", "prepare roles", "replace api", "verify"]
    assert reasons(plan)["prepare roles"] == f"passwords changed: {name}"


def test_another_compose_file_with_the_same_containers_is_uploaded(world):
    plan = world.plan(world.target(), world.settled(compose_file="older text"))
    assert names(plan) == ["upload", "verify"]


def test_another_manifest_with_the_same_images_is_recorded(world):
    plan = world.plan(world.target(), world.settled(current="1-prod-sha-ffffffffffff"))
    assert names(plan) == ["upload", "verify"]


def test_an_edge_that_a_run_left_without_its_file_reads_it_now(world):
    """The run ended between the file and the reload: the file is right, and nobody else would notice."""
    seen = world.settled()
    (edge,) = seen.of("edge")
    plan = world.plan(world.target(), replace(seen, edge_unread=f"{edge.id}\n"))
    assert names(plan) == ["upload", "reload edge", "verify"]
    assert reasons(plan)["reload edge"] == "it has not read its configuration"


def test_an_edge_that_was_made_anew_since_has_read_its_file(world):
    assert names(world.plan(world.target(), world.settled(edge_unread="of-one-that-is-gone"))) == []


def test_a_changed_base_of_the_edge_is_a_reload(world):
    seen = world.settled()
    world.base += "    # another line\n"
    plan = world.plan(world.target(), seen)
    assert names(plan) == ["upload", "reload edge", "verify"]
    assert reasons(plan)["reload edge"] == "its configuration changed"


def test_slots_that_moved_are_no_change(world):
    seen = world.settled()
    moved = tuple(replace(c, name=c.name.replace("api-1", "api-9")) for c in seen.containers)
    edge = seen.edge.replace("homeguru-api-1", "homeguru-api-9")
    assert names(world.plan(world.target(), replace(seen, edge=edge, containers=moved))) == []


def test_slots_that_name_the_service_as_by_hand_are_no_change(world):
    seen = world.settled()
    edge = seen.edge.replace("homeguru-api-1", "api")
    assert names(world.plan(world.target(), replace(seen, edge=edge))) == []


def test_slots_that_name_a_container_that_is_gone_are_lost_ones(world):
    """As a file copied from an old release's folder does."""
    seen = world.settled()
    old = replace(seen, edge=seen.edge.replace("homeguru-api-1", "homeguru-api-7"))
    plan = world.plan(world.target(), old)
    assert names(plan) == ["upload", "reload edge", "verify"]
    assert world.planner(world.target(), old).files(plan, "", "")["haproxy.cfg"] == seen.edge


def test_slots_that_are_lost_come_back_with_a_reload(world):
    """Somebody wrote the file anew: its containers serve, and nobody would ask them."""
    seen = world.settled()
    lost = replace(seen, edge=render(world.base, world.stack.deploy.edge, {}))
    plan = world.plan(world.target(), lost)
    assert names(plan) == ["upload", "reload edge", "verify"]
    assert world.planner(world.target(), lost).files(plan, "", "")["haproxy.cfg"] == seen.edge


@pytest.mark.parametrize(("api", "asked"), [("api-2", 8000), ("api-1", 9000)])
def test_until_a_service_is_replaced_it_is_asked_on_its_own_port(world, api, asked):
    """The edge reads the file first; where the route's port alone changes, nothing else ever would."""
    seen, target = world.settled(), world.target(api=api)
    edge = target.stack.deploy.edge
    routes = {**edge.routes, "api": edge.routes["api"].model_copy(update={"port": 9000})}
    deploy = target.stack.deploy.model_copy(
        update={"edge": edge.model_copy(update={"routes": routes})}
    )
    target = replace(target, stack=replace(target.stack, deploy=deploy))
    plan = world.plan(target, seen)
    config = world.planner(target, seen).files(plan, "", "")["haproxy.cfg"]
    assert f"server s1 homeguru-api-1:{asked} check" in config
    assert "reload edge" in names(plan)


def test_a_container_that_does_not_serve_gets_no_lost_slot(world):
    seen = world.settled()
    containers = tuple(replace(c, health="unhealthy") if c.service == "api" else c
                       for c in seen.containers)  # fmt: skip
    lost = replace(
        seen, edge=render(world.base, world.stack.deploy.edge, {}), containers=containers
    )
    config = world.target().edge_config(lost)
    assert read_slots(config)["api"] == (IDLE, IDLE)
    assert read_slots(config)["frontend"] != (IDLE, IDLE)


def test_a_recreated_edge_needs_no_reload(world):
    seen = world.settled()
    world.base += "    # another line\n"
    plan = world.plan(world.target(), seen, world.candidate({"edge": "other"}))
    assert names(plan) == ["upload", "recreate edge", "verify"]
    assert plan.notes == ("edge is recreated: it is away while it restarts",)


def test_a_recreated_database_gets_its_roles(world):
    plan = world.plan(world.target(), world.settled(), world.candidate({"postgres": "other"}))
    assert names(plan) == ["upload", "recreate postgres", "prepare roles", "verify"]
    script = plan.steps[1].script.text
    assert "user=postgres\nvolumes=homeguru_postgres-data:/var/lib/postgresql/data\n" in script


def test_of_a_service_that_is_built_only_what_is_kept_is_given_to_its_user(world):
    name = "${KEEP_BOT_HOME_APP_CACHE:-${COMPOSE_PROJECT_NAME}_keep-bot-home-app-.cache}"
    mounted = {**world.stack.volumes, "bot": ((name, "/home/app/.cache"), ("own", "/own"))}
    world.stack = replace(world.stack, volumes=mounted)
    plan = world.plan(world.target(), world.settled(), world.candidate({"bot": "other"}))
    script = next(s for s in plan.steps if s.name == "replace bot").script.text
    assert "user=''\nvolumes=homeguru_keep-bot-home-app-.cache:/home/app/.cache\n" in script


def test_a_container_that_a_replacement_left(world):
    seen = world.settled()
    second = replace(seen.of("api")[0], id="other", name="homeguru-api-2")
    plan = world.plan(world.target(), replace(seen, containers=(*seen.containers, second)))
    assert names(plan) == ["upload", "replace api", "verify"]


def test_a_routed_service_of_another_name_is_away_until_it_starts(world):
    """Its predecessor goes first: a person decides whether to keep the name."""
    seen = world.settled()
    old = tuple(
        replace(c, service="backend", name="homeguru-backend-1") if c.service == "api" else c
        for c in seen.containers
    )
    edge = seen.edge.replace("_api\n", "_backend\n").replace("homeguru-api-1", "homeguru-backend-1")
    plan = world.plan(world.target(), replace(seen, containers=old, edge=edge))
    assert plan.notes[-1] == (
        "backend is removed before api starts: until then the edge answers 503 on port 8003"
    )


def test_a_service_that_the_compose_file_no_longer_has_is_removed(world):
    seen = world.settled()
    worker = replace(seen.of("bot")[0], service="worker", name="homeguru-worker-1")
    plan = world.plan(world.target(), replace(seen, containers=(*seen.containers, worker)))
    assert names(plan) == ["upload", "remove worker", "verify"]
    assert reasons(plan)["remove worker"] == "the Compose file no longer has it"


def test_a_one_off_container_is_nothing_to_remove(world):
    seen = world.settled()
    one_off = replace(seen.of("bot")[0], service="shell", one_off=True)
    assert (
        names(world.plan(world.target(), replace(seen, containers=(*seen.containers, one_off))))
        == []
    )


@pytest.mark.parametrize(("free", "how"), [(255, "stop first"), (256, "start first")])
def test_too_little_memory_for_two_copies_means_stop_first(world, free, how):
    plan = world.plan(world.target(api="api-2"), world.settled(memory_mb=free))
    assert reasons(plan)["replace api"].endswith(f" ({how})")
    note = "api is replaced stop-first and pauses: there is no free memory for two containers"
    cut = "connections to the old api still open after 30 s are cut"
    away = "api does nothing while its container is replaced: 210 s at most"
    assert plan.notes == ((note, cut, away) if how == "stop first" else (cut,))
    script = next(s.script.text for s in plan.steps if s.name == "replace api")
    assert f"\norder={how.replace(' ', '-')}" in script


def test_how_long_nobody_does_a_stop_first_services_work(world, make_environment):
    """As long as it took the last time, and as long as its own start may take."""
    world.environment = make_environment(healthy_within={"bot": 900})
    took = [
        ("replace bot", "ok", 9.0),
        ("undo: replace bot", "ok", 5.0),
        ("replace bot", "failed", 7.0),
    ]
    steps = tuple(StepRecord(step=s, outcome=o, seconds=n) for s, o, n in took)
    seen = replace(world.settled(), ledger=world.ledger(world.line(1, steps=steps)))
    plan = world.plan(world.target(bot="bot-2"), seen)
    assert plan.notes == (
        "bot does nothing while its container is replaced: 9 s the last time, 930 s at most",
    )
    script = next(s.script for s in plan.steps if s.name == "replace bot")
    assert "\nhealthy=900\n" in script.text
    assert script.timeout > 1800


def test_a_new_image_is_prepared_while_the_old_container_runs(world):
    target = world.target({"BOT_PREPARE": "python -m src.bot.model"}, bot="bot-2", api="api-2")
    steps = names(world.plan(target, world.settled()))
    assert steps[:3] == ["upload", "pull", "prepare bot"]
    step = next(s for s in world.plan(target, world.settled()).steps if s.name == "prepare bot")
    assert step.reason == "its new image, while the old container runs: 900 s at most"
    assert step.script.text.endswith("prepare_image 900 sh -c 'python -m src.bot.model'\n")
    assert step.script.timeout > 900


def test_nothing_is_prepared_where_nobody_waits_for_it(world):
    asked = {"BOT_PREPARE": "true"}
    some = {
        "not asked for": world.plan(world.target(bot="bot-2"), world.settled()),
        "unchanged": world.plan(world.target(asked, api="api-2"), world.settled()),
        "first": world.plan(world.target(asked), world.bare),
        "undo": world.plan(world.target(asked, bot="bot-2"), world.settled(), verb="undo"),
    }
    assert {why for why, plan in some.items() if "prepare bot" in names(plan)} == set()


def test_a_new_bot_is_waited_for_until_it_polls(world, make_environment):
    def script():
        plan = world.plan(world.target(bot="bot-2"), world.settled())
        return next(s.script.text for s in plan.steps if s.name == "replace bot")

    assert "\nready=(python -c " in script()
    world.environment = make_environment(verify={"skip": {"bot": ["ready"]}})
    assert "\nready=()\n" in script()


def test_a_first_start_needs_no_note(world):
    assert world.plan(world.target(), replace(world.bare, memory_mb=1)).notes == ()


def test_an_undo_puts_files_back_and_never_migrates(world):
    seen = world.settled(containers=world.changed("api", ref="r@sha256:2", digests=("r@sha256:2",)))
    plan = world.plan(world.target(), seen, verb="undo")
    assert names(plan) == ["restore files", "pull", "replace api"]
    assert reasons(plan)["restore files"] == "as they were; 1 service changes"


def test_an_undo_that_meets_rotated_passwords_sets_the_former_ones(world):
    candidate = world.candidate(DATABASE_PASSWORD="former")
    plan = world.plan(world.target(), world.settled(), candidate, verb="undo")
    assert names(plan) == ["restore files", "prepare roles"]


def test_undoing_a_first_deploy_removes_what_it_made():
    plan = undo_of_first("1-prod-sha-0123456789ab")
    assert names(plan) == ["remove containers"]
    assert (plan.verb, plan.previous) == ("undo", None)


def test_a_rollback_keeps_the_database(world):
    plan = world.plan(world.target(api="api-0"), world.settled(), verb="rollback")
    assert names(plan) == ["upload", "pull", "replace api", "verify"]


def test_a_migration_alone(world):
    plan = world.plan(world.target(api="api-2"), world.settled(), verb="migrate")
    assert names(plan) == ["pull", "back up database", "prepare roles", "migrate"]
    assert reasons(plan)["pull"] == "by digest: api"


def _stack_without(compose_config, *names, **deploy):
    config = json.loads(json.dumps(compose_config))
    config["x-deploy"] = {k: v for k, v in config["x-deploy"].items() if k not in names} | deploy
    return parse_stack("text", config, "compose.yml").called_for({})


def test_a_stack_without_database_or_edge(world, compose_config):
    world.stack = _stack_without(compose_config, "database", "migrate", "edge").chosen(Services())
    plan = world.plan(world.target(), world.bare)
    assert names(plan) == [
        "upload", "pull", "start new containers", "start postgres", "start edge", "start new containers",
        "start api", "start frontend", "start bot", "verify",
    ]  # fmt: skip
    assert world.plan(world.target(), world.bare, verb="migrate").steps == ()


def test_an_edge_and_a_database_built_here_are_started_once_and_never_doubled(
    world, compose_config
):
    """They own ports and data: a second copy beside the first could not run."""
    world.stack = _stack_without(compose_config, "infrastructure", infrastructure={})
    plan = world.plan(world.target(), world.bare)
    assert names(plan) == [
        "upload", "pull", "start new containers", "start postgres", "prepare roles", "migrate", "start edge",
        "start new containers", "start api", "start frontend", "start bot", "verify",
    ]  # fmt: skip
    seen = world.settled()
    plan = world.plan(world.target(edge="edge-2", postgres="postgres-2"), seen)
    assert names(plan) == [
        "upload", "pull", "recreate postgres", "prepare roles", "recreate edge", "verify",
    ]  # fmt: skip


def test_what_stands_in_front_of_the_application_starts_after_it(world, compose_config):
    """A proxy that does not find what it sends requests to ends at its start."""
    config = json.loads(json.dumps(compose_config))
    config["services"]["bot"]["depends_on"] = {"api": {"condition": "service_started"}}
    config["x-deploy"]["infrastructure"]["bot"] = "docker.io/library/nginx:1"
    world.stack = parse_stack("text", config, "compose.yml").called_for({}).chosen(Services())
    steps = names(world.plan(world.target(), world.bare))
    assert steps.index("start api") < steps.index("start bot") < steps.index("verify")


def waiting(compose_config, **after: list[str]):
    """The stack with images that are not built here and wait for others."""
    config = json.loads(json.dumps(compose_config))
    for name, others in after.items():
        config["services"].setdefault(name, {"image": f"${{{name.upper()}_IMAGE}}"})
        depends = {other: {"condition": "service_started"} for other in others}
        config["services"][name].setdefault("depends_on", {}).update(depends)
        if name not in ("api", "bot", "frontend"):
            config["x-deploy"]["infrastructure"][name] = (
                f"docker.io/library/{name}@sha256:{'0' * 64}"
            )
    return parse_stack("text", config, "compose.yml").called_for({}).chosen(Services())


def test_a_proxy_of_a_proxy_starts_after_it_too(world, compose_config):
    world.stack = waiting(compose_config, cache=["api"], front=["cache"])
    steps = names(world.plan(world.target(), world.bare))
    assert steps.index("start api") < steps.index("start cache")
    assert steps.index("start api") < steps.index("start front")


def test_what_the_application_waits_for_starts_before_it(world, compose_config):
    """It may itself wait for something that is built here."""
    world.stack = waiting(compose_config, gateway=["api"], bot=["gateway"])
    steps = names(world.plan(world.target(), world.bare))
    assert steps.index("start gateway") < steps.index("start bot")


def test_files_that_the_steps_find(world):
    planner = world.planner(world.target(bot="bot-2"), world.settled())
    files = planner.files(planner.plan(), "alice", "run-1")
    assert sorted(files) == [".env.now", "haproxy.cfg", "manifest.json", "plan.json"]
    assert parse_env(files[".env.now"])["BOT_IMAGE"] == world.settled().of("bot")[0].ref
    plan = json.loads(files["plan.json"])
    assert plan["subject"] == ""
    assert (plan["who"], plan["run"], plan["changed"]) == ("alice", "run-1", True)
    assert files["haproxy.cfg"] == world.settled().edge


def test_a_registry_login_travels_as_a_file(world, make_environment):
    login = {"user": "REGISTRY_USER", "token": "REGISTRY_TOKEN"}
    world.environment = make_environment(login=login)
    planner = world.planner(world.target(bot="bot-2"), world.settled())
    assert planner.files(planner.plan(), "alice", "run-1")["registry.password"] == "token-1"
    scripts = "".join(s.script.text for s in planner.plan().script_steps)
    assert "login_to_registry .incoming/token ghcr.io robot" in scripts
    assert "token-1" not in scripts


def test_no_secret_stands_in_a_script(world):
    plan = world.plan(world.target(), world.bare)
    assert "value-of-" not in "".join(s.script.text for s in plan.script_steps)


def test_equal_plans_have_equal_fingerprints_wherever_their_files_lie(world):
    """A plan that was approved is compared with the one that is made under the lock."""
    planner = world.planner(world.target(api="api-2"), world.settled())
    elsewhere = PlanRequest("deploy", planner.request.release, ".plan-0123")
    assert replace(planner, request=elsewhere).plan().fingerprint == planner.plan().fingerprint


def test_different_plans_have_different_fingerprints(world):
    plans = [
        world.plan(world.target(), world.settled()),
        world.plan(world.target(bot="bot-2"), world.settled()),
        world.plan(world.target(bot="bot-3"), world.settled()),
        world.plan(world.target(bot="bot-2"), world.bare),
    ]
    assert len({p.fingerprint for p in plans}) == len(plans)


def test_the_plan_as_data(world):
    plan = world.plan(world.target(bot="bot-2"), world.settled())
    data = plan.to_dict()
    assert sorted(data) == [
        "asks", "changed", "changes", "fingerprint", "manifest", "notes", "previous", "release", "steps",
        "unchanged", "v", "verb",
    ]  # fmt: skip
    assert (data["v"], len(data["fingerprint"])) == (1, 12)
    assert data["steps"][0] == {
        "step": "upload",
        "kind": "upload",
        "service": "",
        "reason": plan.steps[0].reason,
    }
    assert data["previous"] == world.settled().current


def test_the_plan_in_two_columns(world, digest):
    plan = world.plan(world.target(api="api-2"), world.settled(memory_mb=0))
    lines = plan.lines()
    assert lines[0] == ("upload", "Compose file, variables, secrets; 1 service changes")
    assert ("bot", f"unchanged, {digest('bot-1')[7:19]}") in lines
    assert lines[-3:] == [
        (
            "note",
            "api is replaced stop-first and pauses: there is no free memory for two containers",
        ),
        ("note", "connections to the old api still open after 30 s are cut"),
        ("note", "api does nothing while its container is replaced: 210 s at most"),
    ]


def test_a_plan_tells_all_that_it_changes_in_less_than_a_hundred_columns(world):
    names = {f"VARIABLE_NUMBER_{n:02}": "x" for n in range(20)}
    target = world.target({"LLM_MODEL": "x", "COLLECTOR_MODE": "demo", **names}, bot="bot-2")
    candidate = world.candidate({"bot": "1"}, TELEGRAM_BOT_TOKEN="other")
    plan = world.plan(target, world.settled(), candidate)
    rows = plan.lines()
    at = [name for name, _ in rows].index("replace bot")
    assert rows[at + 1] == ("", "variables changed: COLLECTOR_MODE, LLM_MODEL")
    assert rows[at + 2] == ("", "secrets changed: TELEGRAM_BOT_TOKEN")
    width = max(len(name) for name, _ in rows)
    steps = rows[: at + 3]
    assert max(width + 2 + len(said) for _, said in steps) <= 100
    (change,) = plan.to_dict()["changes"]
    assert change["variables"]["changed"] == ["COLLECTOR_MODE", "LLM_MODEL"]
    (note,) = [said for said in plan.notes if "no service is replaced for it" in said]
    assert note.endswith(", ".join(sorted(names)))


def test_a_fingerprint_covers_what_the_plan_installs(world):
    """Another value under the same name is another plan, and so is another secret."""

    def fingerprint(value, secret="other"):
        candidate = world.candidate({"bot": "1"}, TELEGRAM_BOT_TOKEN=secret)
        target = world.target({"LLM_MODEL": value}, bot="bot-2")
        return world.plan(target, world.settled(), candidate).fingerprint

    assert fingerprint("x") == fingerprint("x")
    assert len({fingerprint("x"), fingerprint("y"), fingerprint("x", "third")}) == 3


def test_a_release_that_was_undone_before_says_so_when_it_is_deployed_again(world):
    target = world.target(api="api-2")
    undone = world.line(2, manifest=target.manifest.name, outcome="undone", problem="api: no table")
    seen = replace(world.settled(), ledger=world.ledger(world.line(1), undone))
    said = "this release was undone on 2030-01-01: api: no table"
    assert said in world.plan(target, seen).notes
    again = world.line(3, manifest=target.manifest.name)
    seen = replace(seen, ledger=world.ledger(world.line(1), undone, again))
    assert said not in world.plan(target, seen).notes
