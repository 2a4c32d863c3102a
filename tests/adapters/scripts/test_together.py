"""Several services replaced side by side, by a real bash with a stand-in for the engine."""

from __future__ import annotations

import re

import pytest

from deployments.compose.env_file import parse_env, render_env
from deployments.compose.extension import EdgeService, Route
from deployments.host.edge import IDLE, read_slots, render
from deployments.shell.prelude import prelude
from deployments.shell.replace import Backend, Replacement, replace_service
from deployments.shell.together import Member, drain_together, start_together
from infra.machine.output import Output
from tests.adapters.scripts.stand_in_engine import Container, Slot, StandInEngine, listening

ROUTED = ("api", "frontend")
OLD, NEW = "r/{}@sha256:1", "r/{}@sha256:2"


class World:
    """Three services: api and frontend behind the edge, start-first; bot stop-first."""

    def __init__(self, shell, engine: StandInEngine) -> None:
        self.shell, self.engine = shell, engine
        engine.containers = {
            "edge-1": Container("edge", "haproxy"),
            **{f"{n}-1": Container(n, OLD.format(n)) for n in (*ROUTED, "bot")},
        }
        engine.slots = {
            f"be_{n}": {"s1": Slot(f"app-{n}-1", "ready"), "s2": Slot(), "former": Slot()}
            for n in ROUTED
        }
        engine.open = {f"be_{n}/s1": [0] for n in ROUTED}
        routes = {n: Route(listen=80, port=80) for n in ROUTED}
        edge = EdgeService(service="edge", config="edge/haproxy.cfg", routes=routes)
        slots = {n: (f"app-{n}-1", IDLE) for n in ROUTED}
        shell.write("edge/haproxy.cfg", render("global\n", edge, slots))
        variables = {f"{n.upper()}_IMAGE": OLD.format(n) for n in (*ROUTED, "bot")}
        shell.write(".env", render_env(variables))

    @property
    def running(self):
        """Containers that run, without the edge."""
        found = self.engine.containers.items()
        return sorted(n for n, c in found if c.state == "running" and c.service != "edge")

    @property
    def serving(self):
        """Service to the containers to which the edge sends new requests."""
        return {
            n: [s.name for s in self.engine.slots[f"be_{n}"].values() if s.state == "ready"]
            for n in ROUTED
        }

    @property
    def entered(self):
        """Service to the containers that the edge checks and sends nobody to."""
        return {
            n: [s.name for s in self.engine.slots[f"be_{n}"].values() if s.state == "drain"]
            for n in ROUTED
        }

    def log(self, word):
        """Commands that changed something, of one kind."""
        return [line for line in self.engine.log if line.startswith(word)]

    def run(self, script, code=0):
        done = self.shell.run(prelude(self.shell.environment) + script.text)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture
def on(shell):
    engine = StandInEngine()
    with listening(engine) as program:
        shell.program("docker", program)
        yield World(shell, engine)


def _what(service, image=NEW, **changes):
    fields = {
        "service": service, "variable": f"{service.upper()}_IMAGE", "image": image.format(service),
        "config_hash": "h2" if image == NEW else "h1", "start_first": service != "bot",
        "healthy_within": 1, "grace": 3,
    }  # fmt: skip
    return Replacement(**{**fields, **changes})


def _member(service, image=NEW, drain=1, **changes):
    backend = Backend("edge", 80, drain) if service in ROUTED else None
    return Member(_what(service, image, **changes), backend)


ALL = [_member(service) for service in (*ROUTED, "bot")]


def _switch(member):
    return replace_service(member.what, member.backend, later=True)


def test_new_containers_start_together_and_no_request_is_sent_to_one(on):
    before = on.serving
    done = on.run(start_together(ALL))
    (made,) = on.log("compose")
    assert made == (
        "compose up --no-start --no-deps --no-recreate --scale api=2 --scale frontend=2 "
        "--scale bot=2 api frontend bot"
    )
    assert sorted(on.log("start")) == ["start api-new1", "start frontend-new2"]
    assert on.serving == before
    assert on.running == ["api-1", "api-new1", "bot-1", "frontend-1", "frontend-new2"]
    assert on.engine.containers["bot-new3"].state == "created"
    assert on.entered == {"api": ["app-api-new1"], "frontend": ["app-frontend-new2"]}
    # A second may begin meanwhile.
    assert re.sub(r"after [01] s$", "at once", done.stdout, flags=re.MULTILINE).splitlines() == [
        "started the new containers of api frontend",
        "api is healthy at once", "frontend is healthy at once",
    ]  # fmt: skip
    assert parse_env(on.shell.read(".env"))["API_IMAGE"] == OLD.format("api")


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (["exited", 0, "none"], "frontend: the new container exited with code 1;"),
        (["created", 0, "none"], "frontend: the new container does not start;"),
        (["running", 2, "none"], "frontend: the new container crashes at start: exit code 1"),
        (["running", 0, "starting"], "frontend: the new container did not become healthy within 1 s"),
    ],
)  # fmt: skip
def test_one_that_does_not_become_healthy_takes_all_new_ones_with_it(on, then, said):
    on.engine.then = {"frontend": then}
    before = on.serving, on.running
    done = on.run(start_together(ALL), 20)
    assert done.stderr.startswith(said)
    assert "  frontend | Traceback: no token\n" in done.stderr
    assert done.stderr.endswith(
        "all new containers are removed; no request has reached one of them\n"
    )
    assert (on.serving, on.running) == before
    assert not [name for name in on.engine.containers if "new" in name]
    assert on.entered == {"api": [], "frontend": []}
    assert {s["s2"].name for s in on.engine.slots.values()} == {"idle.invalid"}


def test_folders_go_back_to_who_serves_on(on):
    """Also those of a service whose own new container was well."""
    on.engine.then = {"frontend": ("exited", 0, "none")}
    volumes = {"volumes": ("v:/data",), "user": "2000"}
    members = [_member("api", **volumes), _member("frontend"), _member("bot", **volumes)]
    on.run(start_together(members), 20)
    given = [line.split()[-3] for line in on.log("run") if "chown" in line]
    assert given == ["2000", "2000", "1000", "1000"]


def test_what_went_wrong_is_shown_above_the_last_lines_of_one_that_prints_much(on):
    """A request a second, and a person read nothing but these."""
    on.engine.then = {"frontend": ("exited", 0, "none")}
    on.engine.prints = [f"GET /health {n}" for n in range(100)]
    done = on.run(start_together(ALL), 20)
    shown = Output(done.returncode, done.stdout, done.stderr).tail.splitlines()
    assert shown[0].startswith("frontend: the new container exited with code 1;")
    assert shown[1:] == [
        *[f"  frontend | GET /health {n}" for n in range(90, 100)],
        "all new containers are removed; no request has reached one of them",
    ]


def test_what_compose_cannot_make_is_said_and_nothing_is_switched(on):
    on.engine.refuses = "no space left on device\n"
    before = on.serving, on.running
    assert on.run(start_together(ALL), 20).stderr == "no space left on device\n"
    assert (on.serving, on.running) == before


def test_each_is_switched_in_its_own_step_and_the_old_ones_end_together(on):
    on.run(start_together(ALL))
    on.run(_switch(ALL[0]))
    assert on.serving == {"api": ["app-api-new1"], "frontend": ["app-frontend-1"]}
    assert "api-1" in on.running
    on.run(_switch(ALL[1]))
    on.run(_switch(ALL[2]))
    assert on.running == [
        "api-1", "api-new1", "bot-new3", "frontend-1", "frontend-new2",
    ]  # fmt: skip
    on.run(drain_together(ALL))
    assert on.running == ["api-new1", "bot-new3", "frontend-new2"]
    assert on.serving == {"api": ["app-api-new1"], "frontend": ["app-frontend-new2"]}
    assert len(on.log("compose")) == 1
    assert "stop -t 3 api-1 frontend-1" in on.engine.log
    assert read_slots(on.shell.read("edge/haproxy.cfg")) == {
        "api": (IDLE, "app-api-new1"), "frontend": (IDLE, "app-frontend-new2"),
    }  # fmt: skip
    assert set(parse_env(on.shell.read(".env")).values()) == {
        NEW.format(n) for n in (*ROUTED, "bot")
    }


def test_the_edge_checks_a_new_container_while_others_are_waited_for(on):
    on.run(start_together(ALL))
    assert [line for line in on.log("edge") if "fqdn app-api-new1" in line] != []
    on.engine.log.clear()
    on.run(_switch(ALL[0]))
    assert on.serving["api"] == ["app-api-new1"]
    assert not [line for line in on.log("edge") if "fqdn app-api-new1" in line]


def test_an_edge_that_restarted_before_the_switch_is_told_once_more(on):
    """Its file names the old container alone."""
    on.run(start_together(ALL))
    on.engine.slots["be_api"]["s2"] = Slot()
    on.run(_switch(ALL[0]))
    assert on.serving["api"] == ["app-api-new1"]


def test_one_that_crashed_before_its_turn_is_in_no_slot(on):
    on.run(start_together(ALL))
    on.engine.containers["api-new1"].state = "exited"
    on.engine.then = {"api": ("exited", 0, "none")}
    on.run(_switch(ALL[0]), 20)
    assert on.engine.slots["be_api"]["s2"] == Slot()
    assert on.serving["api"] == ["app-api-1"]


def test_the_address_of_whoever_was_in_a_slot_before_is_not_the_new_ones(on):
    """For a moment the edge goes on with it, and says that it is up."""
    slot = on.engine.slots["be_api"]["s2"]
    slot.answered = "app-gone-1"
    on.run(_switch(ALL[0]))
    assert slot.answered == "app-api-new1"
    assert on.serving["api"] == ["app-api-new1"]


def test_another_release_after_a_run_that_died_before_its_switch_removes_what_it_started(on):
    on.run(start_together(ALL))
    on.run(start_together([_member("api", OLD)]))
    on.run(_switch(_member("api", OLD)))
    assert on.serving["api"] == ["app-api-1"]
    assert on.engine.slots["be_api"]["s2"] == Slot()
    assert "api-new1" not in on.engine.containers


def test_open_requests_end_before_their_container_does(on):
    members = [_member(service, drain=20) for service in ROUTED]
    on.run(start_together(members))
    for member in members:
        on.run(_switch(member))
    on.engine.open = {"be_api/s1": [2, 1, 0], "be_frontend/s1": [1, 0], "be_api/s2": [7]}
    on.run(drain_together(members))
    # Three questions, and nothing was cut.
    assert on.engine.open == {"be_api/s1": [0], "be_frontend/s1": [0], "be_api/s2": [7]}
    assert not on.log("edge shutdown")


def test_what_stays_open_is_cut_after_the_bound_and_said(on):
    on.run(start_together(ALL[:2]))
    for member in ALL[:2]:
        on.run(_switch(member))
    on.engine.open = {"be_api/s1": [2], "be_frontend/s1": [0]}
    done = on.run(drain_together(ALL[:2]))
    assert done.stdout == "2 connections still open after 1 s are cut\n"
    assert "edge shutdown sessions server be_api/s1" in on.engine.log
    assert on.running == ["api-new1", "bot-1", "frontend-new2"]


@pytest.mark.parametrize(
    ("ago", "asked"), [(0, 3), (100, 1), (-100, 3)], ids=["now", "long ago", "of another clock"]
)
def test_requests_have_their_time_since_the_switch(on, ago, asked):
    """Others were switched since then, and a bot was exchanged."""
    on.run(start_together([_member("api")]))
    on.run(_switch(_member("api")))
    on.shell.write(".switched", str(int(on.shell.read(".switched")) - ago))
    on.engine.open = {"be_api/s1": [2, 1, 0]}
    done = on.run(drain_together([_member("api", drain=20)]))
    assert len(on.engine.open["be_api/s1"]) == max(1, 3 - asked)
    assert ("are cut" in done.stdout) == (asked == 1)
    assert not (on.shell.directory / ".switched").exists()


def test_nothing_is_taken_out_of_use_where_no_new_one_serves(on):
    """The edge does not reach it for a moment: it was taken out of traffic, and 503 was answered."""
    on.run(start_together(ALL))
    on.run(_switch(ALL[0]))
    before = on.serving
    on.engine.unreachable = {"app-api-new1"}
    on.shell.program("sleep", "")
    done = on.run(drain_together(ALL), 20)
    assert done.stderr == "api: no new container serves, so the old one stays\n"
    assert "api-1" in on.running
    assert on.serving == before


def test_an_edge_that_restarted_in_between_sends_nobody_to_the_old_one_for_good(on):
    """At run time both slots serve then; the file names the new container alone."""
    on.run(start_together(ALL[:2]))
    for member in ALL[:2]:
        on.run(_switch(member))
    assert read_slots(on.shell.read("edge/haproxy.cfg"))["api"] == (IDLE, "app-api-new1")
    on.engine.slots["be_api"]["s1"].state = "ready"
    on.run(drain_together(ALL[:2]))
    assert on.serving == {"api": ["app-api-new1"], "frontend": ["app-frontend-new2"]}
    assert on.running == ["api-new1", "bot-1", "frontend-new2"]


@pytest.mark.parametrize("question", [1, 2, 3, 4, 5])
def test_an_engine_that_says_nothing_for_once_is_no_project_without_containers(on, question):
    """The old containers were taken for new ones and removed; a second poller was started."""
    on.engine.then = {"frontend": ("exited", 0, "none")}
    on.engine.silent = question
    assert on.shell.run(prelude(on.shell.environment) + start_together(ALL).text).returncode
    assert {"api-1", "bot-1", "frontend-1"} <= set(on.running)
    assert on.serving == {n: [f"app-{n}-1"] for n in ROUTED}
    assert len([n for n in on.running if n.startswith("bot")]) == 1


def test_one_that_crashes_while_others_start_is_found_before_anybody_is_sent_to_them(on):
    def crash(words):
        if words[0] == "inspect" and words[2].endswith("{{.ID}}"):
            on.engine.containers["api-new1"].state = "exited"
            on.engine.containers["frontend-new2"].health = "healthy"

    on.engine.then = {"frontend": ("running", 0, "starting")}
    on.engine.after = crash
    # Far from its end, also on a busy machine.
    members = [_member(service, healthy_within=60) for service in (*ROUTED, "bot")]
    done = on.run(start_together(members), 20)
    assert "api: the new container crashed while others started: exit code 1" in done.stderr
    assert not [name for name in on.engine.containers if "new" in name]


def test_what_ran_before_is_not_removed_with_the_new_ones(on):
    """An undo adopts what still drains: it is the way back, and its requests are in flight."""
    on.run(start_together(ALL))
    for member in ALL[:2]:
        on.run(_switch(member))
    del on.engine.containers["frontend-1"]
    on.engine.then = {"frontend": ("exited", 0, "none")}
    on.run(start_together([_member(service, OLD) for service in ROUTED]), 20)
    assert "api-1" in on.running


@pytest.mark.parametrize("service", ["api", "worker"])
def test_a_crash_of_weeks_ago_is_no_reason_to_make_the_old_one_anew(on, service):
    on.engine.containers |= {f"{service}-1": Container(service, OLD.format(service), restarts=1)}
    on.run(start_together([_member(service)]))
    on.run(_switch(_member(service)))
    back = _member(service, OLD)
    on.run(start_together([back]))
    on.run(_switch(back))
    on.run(drain_together([back]))
    assert f"{service}-1" in on.running
    assert f"{service}-new1" not in on.running
    assert not on.log(f"rm -f {service}-1")


def test_slots_that_name_the_service_itself_name_the_container_that_runs(on):
    """As a file that was written by hand does."""
    on.engine.slots["be_api"]["s1"].name = "api"
    on.run(start_together(ALL[:2]))
    for member in ALL[:2]:
        on.run(_switch(member))
    assert "api-1" in on.running
    on.run(drain_together(ALL[:2]))
    assert on.serving["api"] == ["app-api-new1"]
    assert on.running == ["api-new1", "bot-1", "frontend-new2"]


def test_one_that_is_just_stopping_is_not_taken_for_one_that_runs(on):
    """The deployer died in the drain; the engine goes on stopping what it was told to stop."""
    on.run(start_together(ALL[:2]))
    for member in ALL[:2]:
        on.run(_switch(member))
    on.run(drain_together(ALL[:2]))
    on.engine.containers |= {"api-1": Container("api", OLD.format("api"))}
    on.run(start_together([_member("api", OLD)]))
    assert on.log("compose")[-1].endswith("--scale api=2 api")


def test_a_run_that_comes_after_takes_up_what_one_that_was_killed_has_started(on):
    on.run(start_together(ALL))
    on.run(_switch(ALL[0]))
    before = on.engine.containers.keys()
    on.run(start_together(ALL))
    assert on.engine.containers.keys() == before - {"api-1"}
    assert on.serving == {"api": ["app-api-new1"], "frontend": ["app-frontend-1"]}


def test_an_undo_returns_to_the_containers_that_still_run(on):
    on.run(start_together(ALL))
    for member in ALL[:2]:
        on.run(_switch(member))
    back = [_member(service, OLD) for service in (*ROUTED, "bot")]
    on.run(start_together(back))
    for member in back:
        on.run(_switch(member))
    on.run(drain_together(back))
    assert on.running == ["api-1", "bot-1", "frontend-1"]
    assert on.serving == {n: [f"app-{n}-1"] for n in ROUTED}
    assert len(on.log("compose")) == 1
    assert set(parse_env(on.shell.read(".env")).values()) == {
        OLD.format(n) for n in (*ROUTED, "bot")
    }


def test_a_container_that_was_kept_and_is_gone_has_no_slot_afterwards(on):
    on.engine.slots["be_api"]["former"] = Slot("app-api-0", "ready")
    on.run(_switch(ALL[0]))
    assert on.engine.slots["be_api"]["former"] == Slot()
    assert on.serving["api"] == ["app-api-new1"]


def test_an_edge_that_does_not_know_a_backend_yet_has_nobody_removed(on):
    """Right after a reload its old worker may answer."""
    on.engine.slots["be_api"] = {}
    on.shell.program("sleep", "")
    done = on.run(start_together([_member("api")]), 20)
    assert done.stderr == "the edge has no backend be_api with two slots\n"
    assert on.running == ["api-1", "bot-1", "frontend-1"]


def test_services_that_nobody_reaches_at_the_edge_run_twice_for_a_moment(on):
    on.engine.containers |= {f"{n}-1": Container(n, OLD.format(n)) for n in ("w1", "w2")}
    workers = [_member("w1"), _member("w2", grace=9)]
    on.run(start_together(workers))
    assert {"w1-1", "w1-new1", "w2-1", "w2-new2"} <= set(on.running)
    for member in workers:
        on.run(_switch(member))
    assert {"w1-1", "w2-1"} <= set(on.running)
    on.run(drain_together(workers))
    assert not {"w1-1", "w2-1"} & set(on.running)
    assert {"stop -t 3 w1-1", "stop -t 9 w2-1"} <= set(on.engine.log)


def test_the_first_deploy_starts_all_of_them(on):
    on.engine.containers = {"edge-1": on.engine.containers["edge-1"]}
    for backend in on.engine.slots.values():
        backend["s1"] = Slot()
    on.run(start_together(ALL))
    assert on.running == ["api-new1", "bot-new3", "frontend-new2"]
    for member in ALL:
        on.run(_switch(member))
    assert on.serving == {"api": ["app-api-new1"], "frontend": ["app-frontend-new2"]}
    assert on.running == ["api-new1", "bot-new3", "frontend-new2"]
