"""Which services an environment has, how they share images, and which run to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.compose.checks import check
from deployments.compose.env_file import parse_env, render_env
from deployments.compose.extension import Log, Probe
from deployments.compose.reader import parse_stack
from deployments.compose.variables import Configuration
from deployments.environment.policy import Services
from deployments.errors import WrongUse
from deployments.health.verification import check_containers, questions
from deployments.planning.changes import changes
from deployments.planning.target import former_configuration


def _parse(services, **deploy):
    config = {
        "services": {
            n: {"image": f"${{{n.upper()}_IMAGE}}", **body} for n, body in services.items()
        },
        "x-deploy": {"v": 1, **deploy},
    }
    return parse_stack("text", config, "compose.yml"), config


def _stack(services, **deploy):
    return _parse(services, **deploy)[0]


def _refused(services, **deploy) -> WrongUse:
    def parsed_and_checked() -> None:
        stack, config = _parse(services, **deploy)
        check(stack, config, "compose.yml")

    with pytest.raises(WrongUse) as caught:
        parsed_and_checked()
    assert (caught.value.where, caught.value.state) == ("compose.yml", "untouched")
    return caught.value


# -- left out ---------------------------------------------------------------------------


def _without_bot(world):
    world.stack = world.stack.called_for({}).chosen(Services(leave_out=("bot",)))
    return world


def test_a_service_that_is_left_out_is_neither_started_nor_asked_for(world):
    plan = _without_bot(world).plan(world.target(), world.bare)
    assert "start bot" not in [step.name for step in plan.steps]
    assert "bot" not in dict(plan.images)
    assert "bot is left out: [services] leave_out names it" in plan.notes
    assert "bot" not in world.stack.deploy.probes
    assert world.stack.built() == ["api", "frontend"]


def test_one_that_runs_is_removed_and_the_step_says_why(world):
    settled = world.settled()
    plan = _without_bot(world).plan(world.target(), settled)
    assert [(s.name, s.reason) for s in plan.steps if "bot" in s.name] == [
        ("remove bot", "[services] leave_out names it")
    ]
    assert not [note for note in plan.notes if note.startswith("bot")]


def test_compose_reads_the_whole_file_so_what_is_left_out_has_a_placeholder(world):
    env = _without_bot(world).target().env(world.bare)
    assert (env["BOT_IMAGE"], env["HOMEGURU_LEFT_OUT"]) == ("left-out", "bot")
    # The API is given the bot's token too: it is none that only the bot needs.
    assert world.stack.placeholders == {"BOT_IMAGE"}
    assert "TELEGRAM_BOT_TOKEN" in world.stack.references


def test_a_release_that_was_deployed_without_it_goes_back_without_it(world):
    """Whatever the environment says by then."""
    whole = world.stack
    text = render_env(_without_bot(world).target().env(world.bare))
    again = whole.as_recorded(parse_env(text))
    assert "bot" not in again.services
    assert "bot" in whole.as_recorded({"BOT_IMAGE": "r@sha256:1"}).services
    kept = former_configuration(text, whole, Configuration({}, {})).variables
    assert not {"BOT_IMAGE", "HOMEGURU_LEFT_OUT"} & kept.keys()


def test_what_needs_a_service_that_is_left_out_goes_with_it(stack):
    assert stack.without({"api"}).deploy.migrate is None
    assert stack.without({"postgres"}).deploy.database is None
    assert stack.without({"postgres"}).deploy.migrate is None
    assert stack.without({"edge"}).deploy.edge is None
    assert stack.without({"bot"}).deploy.migrate is not None


WORKER = {"web": {}, "worker": {"profiles": ["production", "night"], "restart": "always"}}


def test_a_service_under_a_profile_is_there_where_the_environment_names_it():
    stack = _stack(WORKER)
    assert stack.chosen(Services(profiles=("night",))).built() == ["web", "worker"]
    away = stack.chosen(Services())
    assert away.built() == ["web"]
    assert away.left_out == {
        "worker": "[services] profiles names none of its own, production, night"
    }
    assert away.placeholders == {"WORKER_IMAGE"}


def test_a_release_from_before_profiles_were_followed_has_no_such_service():
    stack = _stack(WORKER)
    assert "worker" not in stack.as_recorded({"WEB_IMAGE": "r@sha256:1"}).services
    both = {"WEB_IMAGE": "r@sha256:1", "WORKER_IMAGE": "r@sha256:2"}
    assert "worker" in stack.as_recorded(both).services


@pytest.mark.parametrize(
    ("profiles", "known"),
    [
        ((["a"], ["b"]), ["b"]),
        (([], ["b", "c"]), ["b", "c"]),
        ((["a", "b"], ["b"]), []),
        ((["a"], []), []),
    ],
)
def test_compose_is_told_the_profile_of_what_a_service_of_another_one_depends_on(profiles, known):
    web, other = profiles
    config = {
        "services": {
            "web": {"image": "${W_IMAGE}", "profiles": web, "depends_on": {"other": {}}},
            "other": {"image": "${O_IMAGE}", "profiles": other},
        },
        "x-deploy": {"v": 1},
    }  # fmt: skip
    stack = parse_stack("", config, "compose.yml")
    assert stack.profiles == known
    assert stack.without({"other"}).profiles == []


def test_a_profile_that_compose_is_told_is_no_variable_of_the_release(world):
    target = world.target()
    other = replace(target.stack.services["api"], profiles=("night",))
    bot = replace(target.stack.services["bot"], after=("api",))
    stack = replace(target.stack, services={**target.stack.services, "api": other, "bot": bot})
    env = replace(target, stack=stack).env(world.bare)
    assert env["COMPOSE_PROFILES"] == "night"
    assert "COMPOSE_PROFILES" not in target.env(world.bare)
    kept = former_configuration(render_env(env), stack, Configuration({}, {})).variables
    assert "COMPOSE_PROFILES" not in kept


def test_what_migrates_and_what_a_variable_calls_for_need_no_profile(stack):
    assert "migrate" in stack.chosen(Services()).services
    assert "tls" in stack.chosen(Services()).services


# -- one image for several --------------------------------------------------------------

SHARED = {"web": {"image": "${APP_IMAGE}"}, "worker": {"image": "${APP_IMAGE}"}}


@pytest.mark.parametrize(("order", "first"), [([], "web"), (["worker", "web"], "worker")])
def test_services_with_one_image_variable_run_one_image(order, first):
    stack = _stack(SHARED, order=order)
    assert stack.built() == [first]
    assert {s.image_of for s in stack.ordered} == {first}


def test_the_image_stays_the_same_where_its_first_service_is_left_out():
    stack = _stack(SHARED).chosen(Services(leave_out=("web",)))
    assert [s.name for s in stack.ordered] == ["worker"]
    assert stack.built() == ["web"]


def test_one_image_cannot_be_both_built_and_brought():
    said = _refused(SHARED, infrastructure={"worker": "redis:7"})
    assert said.what.startswith("services web and worker have one image, ${APP_IMAGE}")


# -- order and ends ---------------------------------------------------------------------

INIT = {
    "app": {"depends_on": {"init": {"condition": "service_completed_successfully"}}},
    "init": {"restart": "no"},
}


def test_what_the_order_does_not_name_comes_after_what_it_depends_on():
    stack = _stack({"a": {"depends_on": {"b": {"condition": "service_started"}}},
                    "b": {"depends_on": ["c"]}, "c": {}})  # fmt: skip
    assert [s.name for s in stack.ordered] == ["c", "b", "a"]


def test_a_service_whose_end_others_wait_for_runs_once_and_before_them():
    stack = _stack(INIT)
    assert [(s.name, s.runs_once) for s in stack.ordered] == [("init", True), ("app", False)]


@pytest.mark.parametrize("restart", ["always", "unless-stopped"])
def test_one_that_docker_starts_again_never_ends(restart):
    said = _refused({**INIT, "init": {"restart": restart}})
    assert said.what == (
        "service init: others wait for its end (service_completed_successfully), and "
        f"`restart: {restart}` starts it again after that"
    )


@pytest.mark.parametrize("probe", [{"exec": ["true"]}, {"ready": ["true"]}, {"connected": "X_URL"}])
def test_one_that_ends_is_asked_nothing(probe):
    """It would have to run to answer, and is well when it does not: it could never be released."""
    said = _refused(INIT, probes={"init": probe})
    assert said.what == (
        "service init: others wait for its end (service_completed_successfully), and "
        f"x-deploy.probes.init.{next(iter(probe))} asks it afterwards"
    )


def test_what_one_that_ends_must_not_have_logged_is_asked():
    assert (
        _stack(INIT, probes={"init": {"log": {"must_not": ["Traceback"]}}})
        .services["init"]
        .runs_once
    )


def test_an_order_that_puts_it_last_is_refused():
    assert _refused(INIT, order=["app", "init"]).what == (
        "x-deploy.order puts app before init, whose end it waits for"
    )


def _with_init(world, **changes):
    """The world's bot waits for the end of its frontend."""
    services = dict(world.stack.called_for({}).services)
    services["frontend"] = replace(services["frontend"], runs_once=True, start_first=False)
    services["bot"] = replace(services["bot"], after=("frontend",))
    world.stack = replace(world.stack.called_for({}), services=services)
    ended = {"state": "exited", "health": "", "exit_code": 0, **changes}
    return world.settled(containers=world.changed("frontend", **ended))


def _reasons(world, seen, target=None):
    found = changes(target or world.target(), seen, world.candidate())
    return [(c.service.name, c.reason) for c in found]


def test_one_that_ended_well_is_as_it_should_be(world):
    seen = _with_init(world)
    assert _reasons(world, seen) == []
    found = check_containers(world.target(), seen, world.target().images(seen))
    assert [f.detail for f in found if (f.service, f.check) == ("frontend", "container")] == [
        "exited 0"
    ]
    assert all(f.ok for f in found)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exit_code": 3}, "its container ended with exit code 3"),
        ({"state": "running"}, "its container is running and has not ended"),
    ],
)
def test_one_that_did_not_end_well_runs_again(world, changed, reason):
    seen = _with_init(world, **changed)
    assert _reasons(world, seen) == [
        ("frontend", reason), ]  # fmt: skip
    found = check_containers(world.target(), seen, world.target().images(seen))
    assert [f.service for f in found if not f.ok] == ["frontend"]


def test_it_runs_once_more_before_what_waits_for_it(world):
    seen = _with_init(world)
    target = world.target(bot="bot-2")
    assert [name for name, _ in _reasons(world, seen, target)] == ["frontend", "bot"]
    assert _reasons(world, seen, target)[0][1] == "bot waits for its end"
    plan = world.plan(target, seen)
    assert [s.name for s in plan.steps if s.name.split()[-1] in ("frontend", "bot")] == [
        "complete frontend", "replace bot",
    ]  # fmt: skip


def test_one_that_ends_is_not_asked_for_restarts(world):
    """A container that has ended counts as one that does not run."""
    _with_init(world)
    probes = {**world.stack.deploy.probes, "frontend": Probe(log=Log(must_not=("x",)))}
    deploy = world.stack.deploy.model_copy(update={"probes": probes})
    world.stack = replace(world.stack, deploy=deploy)
    asked = {service for _, service, _ in questions(world.target())}
    assert "frontend" not in asked
    assert "api" in asked


@pytest.mark.parametrize("verb", ["rollback", "undo"])
def test_on_the_way_back_it_does_not_run(world, verb):
    """An earlier alembic does not know the schema that a later one left: rollback and undo failed."""
    seen = _with_init(world)
    target = world.target(frontend="frontend-2", bot="bot-2")
    there, back = world.plan(target, seen), world.plan(target, seen, verb=verb)
    assert "complete frontend" in [s.name for s in there.steps]
    assert [s.name for s in back.steps if "frontend" in s.name] == []
    assert "replace bot" in [s.name for s in back.steps]


def test_one_that_ran_for_another_release_since_is_as_it_should_be(world):
    """Where this one was deployed before. Otherwise it has yet to run."""
    seen = _with_init(world)
    target = world.target(frontend="frontend-2")
    assert [name for name, _ in _reasons(world, seen, target)] == ["frontend"]
    came = replace(seen, ledger=world.ledger(world.line(1, manifest=target.manifest.name)))
    assert _reasons(world, came, target) == []
    assert not world.plan(
        target,
        replace(
            came,
            env=render_env(target.env(came)),
            current=f"1-{target.manifest.name}",
            manifest=target.manifest.to_json(),
        ),
    ).steps
    found = check_containers(target, came, target.images(came))
    assert all(f.ok for f in found)
    (digest,) = [f for f in found if (f.service, f.check) == ("frontend", "digest")]
    assert digest.detail.startswith("ran for another release: ")


def test_one_whose_ledger_line_failed_has_yet_to_run(world):
    seen = _with_init(world)
    target = world.target(frontend="frontend-2")
    line = world.line(1, manifest=target.manifest.name, outcome="undone")
    found = _reasons(world, replace(seen, ledger=world.ledger(line)), target)
    assert [name for name, _ in found] == ["frontend"]


# -- two containers at a time -----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"ports": ["8103:4000"]}, "it publishes 8103 itself, which two containers cannot share"),
        ({"network_mode": "host"},
         "it uses the host's network, where two containers would want the same ports"),
        ({"ports": ["8000-8010:4000"]}, ""),
        ({"ports": ["4000"]}, ""),
    ],
)  # fmt: skip
def test_why_two_containers_cannot_run_at_a_time(body, why):
    assert _stack({"web": body}).services["web"].alone == why


def test_one_with_a_port_of_its_own_is_replaced_stop_first_and_the_plan_says_so(world):
    stack = world.stack.called_for({})
    api = replace(stack.services["api"], alone="it publishes 80 itself")
    world.stack = replace(stack, services={**stack.services, "api": api})
    plan = world.plan(world.target(api="api-2"), world.settled())
    (step,) = [s for s in plan.steps if s.name == "replace api"]
    assert step.reason.endswith("(stop first)")
    assert "\norder=stop-first\n" in step.script.text
    assert "api is replaced stop-first and pauses: it publishes 80 itself" in plan.notes


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"network_mode": "service:web"}, "network_mode: service:web"),
        ({"ipc": "service:web"}, "ipc: service:web"),
        ({"pid": "service:web"}, "pid: service:web"),
        ({"volumes_from": ["web"]}, "volumes_from: ['web']"),
    ],
)
def test_what_ties_one_container_to_another_is_refused(body, key):
    said = _refused({"web": {}, "side": body})
    assert said.what.startswith(f"service side: `{key}` ties its container to another one")
