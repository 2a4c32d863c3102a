"""What was deployed by hand: weighed against the environment, recorded, replaced, brought back."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from deployments.errors import Refused
from deployments.health.drift import find_drift
from deployments.host.candidate import Candidate, ReleaseRecord
from deployments.host.survey import read_comparison, read_survey
from deployments.planning.adoption import Adopting, plan_of_adoption, stack_of_adopted
from deployments.planning.adoption import by_hand as by_hand_of
from deployments.planning.deadman import way_back
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE, pins
from deployments.release.manifest import Manifest, parse_manifest

DIRECTORY = "/home/sunko"
ID = "sha256:" + "1" * 64
HANDS = ("postgres", "api", "frontend", "bot")


def survey(*, sums="other", hashes=None, mounts=None, data="", exit_code=0, services=HANDS):
    """What the host answers; `mounts` of the database."""
    volume = {"Type": "volume", "Name": "sunko_pgdata", "Destination": "/var/lib/postgresql/data"}
    rows = [
        {
            "service": name, "directory": DIRECTORY, "files": f"{DIRECTORY}/docker-compose.yml",
            "env_files": f"{DIRECTORY}/.env", "exit_code": exit_code,
            "mounts": [volume if mounts is None else mounts] if name == "postgres" else None,
        }
        for name in services
    ]  # fmt: skip
    said = {
        "projects": "homeguru\nother\n", "byhand": "\n".join(json.dumps(r) for r in rows),
        "data": data or "POSTGRES_USER=postgres\nPOSTGRES_DB=homeguru\nmajor=16.4\n",
        "sums": sums, "hashes": "\n".join(f"{n} {h}" for n, h in (hashes or {}).items()),
    }  # fmt: skip
    lines = [f"{n} {base64.b64encode(t.encode()).decode()}" for n, t in said.items()]
    return read_survey("\n".join(lines), "ours")


@pytest.fixture
def by_hand(world):
    """What an observation says of four containers that nobody recorded."""
    containers = tuple(
        world.container(n, f"sunko-{n}:latest", name=f"sunko_{n}", image=ID, digests=())
        for n in HANDS
    )
    published = {8003: "sunko_api", 3003: "sunko_frontend"}
    return replace(world.bare, containers=containers, published=published, revision="0002")


@pytest.fixture
def adopting(world, make_environment, by_hand):
    """Weighs a survey; the environment has the volume's name unless told otherwise."""

    def make(found=None, seen=by_hand, variables=None):
        given = {"POSTGRES_VOLUME": "sunko_pgdata"} if variables is None else variables
        environment = make_environment(variables=given)
        return Adopting(environment, world.stack, seen, found or survey())

    return make


def adopted_target(world, adopting, **more) -> Target:
    adoption = adopting(**more).adoption()
    manifest = parse_manifest(Manifest.of_adopted(adoption).to_json(), "manifest.json")
    stack = stack_of_adopted(adoption, "the text")
    configuration = world.target().configuration
    return Target(
        world.environment, manifest, stack, configuration, world.base, pins=pins(adoption)
    )


def test_what_was_found_becomes_a_manifest(adopting):
    adoption = adopting().adoption()
    assert set(adoption.services) == set(HANDS)
    assert adoption.services["api"].digest == ID
    assert adoption.directory == DIRECTORY
    assert not adoption.ours
    assert Manifest.of_adopted(adoption).name == "adopted"


def test_its_variables_are_named_as_those_of_a_release_are(adopting):
    found = adopting().adoption()
    one = found.services["api"]
    other = found.model_copy(update={"services": {"web.app": one, "3d-page": one}})
    stack = stack_of_adopted(other, "text")
    named = {name: service.image_variable for name, service in stack.services.items()}
    assert named == {"web.app": "WEB_APP_IMAGE", "3d-page": "S_3D_PAGE_IMAGE"}


def test_a_published_manifest_has_no_word_of_it(world):
    assert "adopted" not in world.manifest().to_json()


def test_our_own_file_keeps_what_it_says_of_migrations(adopting):
    adoption = adopting(survey(sums="ours")).adoption()
    assert adoption.ours
    assert adoption.deploy.migrate is not None


def test_variables_that_the_environment_lacks_are_named_with_their_values(adopting):
    with pytest.raises(Refused) as refused:
        adopting(
            survey(data="POSTGRES_USER=homeguru\nPOSTGRES_DB=sunko\nmajor=16.4\n"), variables={}
        ).adoption()
    assert 'POSTGRES_VOLUME = "sunko_pgdata"' in refused.value.todo
    assert 'DATABASE_SUPERUSER = "homeguru"' in refused.value.todo
    assert 'DATABASE_NAME = "sunko"' in refused.value.todo
    # The application's role would be the superuser, whose password a deploy sets.
    assert 'DATABASE_USER = "homeguru_application"' in refused.value.todo
    assert refused.value.state == "untouched"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (survey(services=("api",)), "the Compose file's database is service postgres"),
        (
            survey(mounts={"Type": "bind", "Source": "/data", "Destination": "/var/lib/postgresql/data"}),
            "is not in a volume",
        ),
        (survey(data="major=12.22\n"), "PostgreSQL 12 runs, and 13 is the oldest"),
    ],
)  # fmt: skip
def test_data_that_compose_would_not_mount_again(adopting, found, said):
    with pytest.raises(Refused, match=said):
        adopting(found).adoption()


def test_a_wrong_project_is_told_the_right_ones(adopting, world):
    with pytest.raises(Refused) as refused:
        adopting(survey(services=()), seen=world.bare).adoption()
    assert "no container of Compose project homeguru" in refused.value.what
    assert "its projects are other" in refused.value.todo


def test_a_container_that_does_not_run(adopting, by_hand):
    broken = tuple(
        replace(c, state="restarting") if c.service == "api" else c for c in by_hand.containers
    )
    with pytest.raises(Refused, match="api is restarting"):
        adopting(seen=replace(by_hand, containers=broken)).adoption()


def test_what_ran_once_and_ended_well_is_no_service(adopting, by_hand):
    ended = tuple(
        replace(c, state="exited") if c.service == "bot" else c for c in by_hand.containers
    )
    adoption = adopting(seen=replace(by_hand, containers=ended)).adoption()
    assert "bot" not in adoption.services
    assert adoption.once == ("bot",)


def test_what_ran_once_is_no_drift_and_no_orphan_of_release_0(world, adopting, by_hand):
    ended = tuple(
        replace(c, state="exited") if c.service == "bot" else c for c in by_hand.containers
    )
    seen = replace(by_hand, containers=ended, current=RELEASE)
    target = adopted_target(world, adopting, seen=replace(seen, current=None))
    kept = ReleaseRecord("", "", "", Candidate({}), None)
    assert find_drift(target, seen, kept) == []
    candidate = Candidate({n: s.config_hash for n, s in target.adopted.services.items()})
    assert world.plan(target, seen, candidate, verb="heal").steps == ()
    # A release of ours has no such service: it goes.
    world.environment = adopting().environment
    assert "replace bot" in [s.name for s in world.plan(world.target(), seen).steps]


def _run_by_hand(world, **changes):
    made = {"compose_file": f"{world.environment.directory}/compose.yml"}
    reference = f"ghcr.io/acme/api@sha256:{'a' * 64}"
    return world.container("api", reference, **{**made, **changes})


@pytest.mark.parametrize(
    ("changes", "verbs", "found"),
    [
        ({}, (), ["api"]),
        ({}, ("adopt",), ["api"]),
        ({}, ("deploy",), []),
        ({"ref": "ghcr.io/acme/api:v1"}, ("deploy",), ["api"]),
        ({"compose_file": "/home/sunko/docker-compose.yml"}, ("deploy",), ["api"]),
    ],
)
def test_what_no_deploy_of_ours_started_is_by_hand(world, changes, verbs, found):
    """Going back from a first deploy removes every container: those of somebody else must be known."""
    ledger = world.ledger(
        *(world.line(n, verb=v, outcome="undone") for n, v in enumerate(verbs, 1))
    )
    seen = replace(world.bare, containers=(_run_by_hand(world, **changes),), ledger=ledger)
    assert by_hand_of(seen, world.environment.directory) == found
    assert by_hand_of(replace(seen, current="1-x"), world.environment.directory) == []
    assert by_hand_of(seen, f"{world.environment.directory}/") == found


@pytest.mark.parametrize(
    ("data", "needs"),
    [
        ("POSTGRES_USER=postgres\ndatabases=postgres,homeguru\nsuperusers=postgres\n", ""),
        ("databases=postgres,sunko\nsuperusers=postgres\n", 'DATABASE_NAME = "sunko"'),
        ("databases=postgres,a,b\nPOSTGRES_DB=b\nsuperusers=postgres\n", 'DATABASE_NAME = "b"'),
        ("databases=homeguru\nsuperusers=root\n", 'DATABASE_SUPERUSER = "root"'),
        ("databases=homeguru\nsuperusers=postgres,homeguru\n", 'DATABASE_USER = "postgres_application"'),
    ],
)  # fmt: skip
def test_a_database_that_was_made_later_is_found_all_the_same(adopting, data, needs):
    weighed = adopting(survey(data=f"{data}major=16.4\n"))
    if not needs:
        assert weighed.adoption().services
        return
    with pytest.raises(Refused) as refused:
        weighed.adoption()
    assert refused.value.todo.endswith(needs)


def test_data_elsewhere_in_the_volume_is_told(adopting):
    found = survey(data="PGDATA=/var/lib/postgresql/data/pgdata\nmajor=16.4\n")
    with pytest.raises(Refused, match="is in /var/lib/postgresql/data/pgdata"):
        adopting(found).adoption()


def test_our_own_file_without_a_service_that_did_not_run(world):
    stack = world.stack.without({"bot", "edge"})
    assert stack.deploy.edge is None
    assert "bot" not in stack.services and "bot" not in stack.deploy.probes


def test_without_its_service_a_database_asks_for_no_password(world):
    users = {s.name for s in world.stack.services.values()} - {"frontend"}
    stack = world.stack.without(users)
    assert stack.deploy.database is None
    assert "DATABASE_PASSWORD" not in stack.references


def test_a_recorded_server_is_not_adopted_again(adopting, by_hand):
    with pytest.raises(Refused, match="release 1-x is recorded here already"):
        adopting(seen=replace(by_hand, current="1-x")).adoption()


def test_notes_say_what_the_first_deploy_does(adopting, by_hand, world):
    nginx = world.container("nginx", "nginx", name="sunko_nginx")
    seen = replace(by_hand, containers=(*by_hand.containers, nginx))
    notes = adopting(survey(hashes={"api": "other", "bot": "hash-of-bot"}), seen=seen).notes()
    assert "nginx is not in the Compose file: the first deploy removes it" in notes
    assert "port 8003 moves from api to the edge at the first deploy" in notes
    assert any(n.startswith("api: Compose would make its container anew") for n in notes)
    assert not any(n.startswith("bot:") for n in notes)
    assert any("no way back to release 0" in n for n in adopting().notes())


def comparison(*lines: str) -> str:
    said = "".join(f" DRY-RUN MODE -  Container {line}\n" for line in lines)
    return f"up {base64.b64encode(said.encode()).decode()}\n"


def test_a_hash_that_up_would_not_give_is_no_change(adopting):
    """Compose 2.26 prints another hash for a service with an `env_file` than its `up` gives it."""
    weighed = adopting(survey(hashes={"api": "other", "bot": "other", "frontend": "other"}))
    assert set(weighed.unlike) == {"api", "bot", "frontend"}
    said = comparison(
        "sunko_api  Running", "sunko_bot  Recreate", "sunko_bot  Recreated", "sunko_x  Created"
    )
    anew = read_comparison(said)
    assert anew == {"sunko_bot"}
    compared = replace(weighed, survey=replace(weighed.survey, made_anew=anew))
    assert [n.partition(":")[0] for n in compared.notes() if "anew" in n] == ["bot"]


def test_a_compose_that_cannot_compare_leaves_the_hash_to_tell(adopting):
    assert read_comparison("") is None
    assert any(n.startswith("api: Compose") for n in adopting(survey(hashes={"api": "x"})).notes())


def test_the_plan_touches_no_container(adopting):
    plan = plan_of_adoption(adopting().adoption(), ".incoming/token", ["note"])
    (step,) = plan.steps
    assert step.name == "keep" and step.script is not None
    assert "docker tag" in step.script.text
    for word in ("compose up", "docker stop", "docker rm"):
        assert word not in step.script.text


def test_the_first_deploy_backs_up_then_prepares_then_moves_the_ports(world, by_hand, adopting):
    world.environment = adopting().environment
    seen = replace(by_hand, current=RELEASE, compose_file="", env="")
    target = world.target(variables=dict(world.environment.variables))
    plan = world.plan(target, seen, verb="deploy")
    assert [s.name for s in plan.steps] == [
        "upload", "pull", "back up database", "recreate postgres", "prepare roles", "migrate",
        "prepare api", "prepare frontend", "hand over ports", "replace bot", "verify",
    ]  # fmt: skip
    said = {s.name: s.reason for s in plan.steps}
    assert said["back up database"] == "before the first deploy"
    assert said["hand over ports"].startswith("3003 and 8003 to edge")
    (hand_over,) = (s.script.text for s in plan.steps if s.name == "hand over ports")
    assert "8003/health" in hand_over and "3003/" in hand_over


@pytest.fixture
def first_deploy(world, by_hand, adopting):
    """The first deploy where one container more runs, of a service that our file does not have."""

    def plan(name, **published):
        world.environment = adopting().environment
        more = world.container(name, "nginx", name=f"sunko_{name}")
        ports = {int(port[1:]): holder for port, holder in published.items()} or by_hand.published
        seen = replace(
            by_hand, current=RELEASE, containers=(*by_hand.containers, more), published=ports
        )
        return world.plan(world.target(variables=dict(world.environment.variables)), seen)

    return plan


def test_an_orphan_that_holds_a_port_goes_after_the_ports_moved(first_deploy):
    plan = first_deploy("nginx", p8003="sunko_nginx", p3003="sunko_nginx")
    order = [s.name for s in plan.steps]
    assert order.index("hand over ports") < order.index("remove nginx")
    (hand_over,) = (s.script.text for s in plan.steps if s.name == "hand over ports")
    assert "declare holders=sunko_nginx" in hand_over


def test_what_serves_by_hand_goes_last_where_no_port_moves(first_deploy):
    """An nginx on 80 in front of everything: it is away only when its successors are there."""
    order = [s.name for s in first_deploy("nginx", p80="sunko_nginx").steps]
    assert "hand over ports" not in order
    assert order.index("replace bot") < order.index("remove nginx")


def test_without_an_edge_what_holds_a_port_goes_first(world, first_deploy):
    """Its successor is called otherwise, and wants the same port."""
    world.stack = world.stack.without({"edge"})
    order = [s.name for s in first_deploy("site").steps]
    assert order.index("remove site") < order.index("replace api")


def test_an_edge_that_is_there_already_keeps_its_ports(world, by_hand, adopting):
    world.environment = adopting().environment
    edge = world.container("edge", "haproxy:3.0", name="sunko-edge-1", config_hash="by hand")
    seen = replace(
        by_hand, current=RELEASE, containers=(*by_hand.containers, edge),
        published={8003: "sunko-edge-1", 3003: "sunko-edge-1"},
    )  # fmt: skip
    order = [s.name for s in world.plan(world.target(), seen).steps]
    assert "hand over ports" not in order
    assert "recreate edge" in order and "replace api" in order


def test_the_way_back_is_composes_own(world, adopting, by_hand):
    target = adopted_target(world, adopting)
    candidate = Candidate({n: s.config_hash for n, s in target.adopted.services.items()})
    seen = world.settled()
    plan = world.plan(target, seen, candidate, verb="rollback")
    assert [s.name for s in plan.steps] == ["put files back", "start release 0", "verify"]
    start = plan.steps[1].script.text
    assert "--remove-orphans" in start and "--pull never" in start
    assert f"tag_image_again api {ID} sunko-api:latest" in start
    undo = world.plan(target, seen, candidate, verb="undo")
    assert [s.name for s in undo.steps] == ["put files back", "start release 0"]
    settled = replace(by_hand, current=RELEASE)
    assert world.plan(target, settled, candidate, verb="heal").steps == ()


def test_the_way_back_from_a_half_started_release_0_frees_the_ports_first(world, by_hand):
    """Its containers have our services' names and hold what the edge publishes."""
    back = world.settled()
    seen = replace(back, containers=by_hand.containers, published=by_hand.published)
    plan = world.plan(world.target(), seen, verb="undo", release=RELEASE)
    order = [s.name for s in plan.steps]
    assert order.index("free ports") < order.index("start edge") < order.index("replace api")
    (free,) = (s for s in plan.steps if s.name == "free ports")
    assert free.reason == "api, frontend: edge publishes what they hold"
    assert "postgres" not in free.script.text and "bot" not in free.script.text


def test_the_way_back_that_is_armed_before_frees_them_too(world, adopting):
    """Release 0 does not run yet, so nothing seen tells what will hold a port."""
    target = adopted_target(world, adopting)
    candidate = Candidate({n: s.config_hash for n, s in target.adopted.services.items()})
    plan = world.plan(target, world.settled(), candidate, verb="rollback", release=RELEASE)
    former, mine = world.target(), Candidate({})
    armed = way_back(plan, world.settled(), former, mine, "0a1b2c3d-run").plan()
    assert "free ports" in [s.name for s in armed.steps]


def test_no_port_is_freed_where_the_edge_has_them(world):
    seen = world.settled(published={8003: "homeguru-edge-1", 3003: "homeguru-edge-1"})
    assert "free ports" not in [s.name for s in world.plan(world.target(api="api-2"), seen).steps]


def test_its_files_are_never_sent(world, adopting):
    target = adopted_target(world, adopting)
    planner = world.planner(target, world.settled(), Candidate({}), verb="rollback")
    assert set(planner.files(planner.plan(), "me", "run")) == {"manifest.json", "plan.json"}
