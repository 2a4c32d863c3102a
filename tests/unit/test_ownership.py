"""Whose a directory and a Compose project are: no environment takes another's containers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.errors import Refused
from deployments.host.observation import Project
from deployments.host.ownership import check_owner, ownership
from deployments.planning.preflight import preflight

NOW = 1_900_000_000.0
OURS = "/srv/homeguru"


def _refused(world, seen, environment=None) -> Refused:
    with pytest.raises(Refused) as caught:
        preflight(environment or world.environment, world.stack, seen, NOW)
    return caught.value


def _theirs(world, directory="/srv/other", **changes):
    """Containers of this project that a deploy in another directory started."""
    digest = f"ghcr.io/acme/api@sha256:{'a' * 64}"
    made = {"directory": directory, "compose_file": f"{directory}/compose.yml"}
    return (world.container("api", digest, **{**made, **changes}),)


@pytest.mark.parametrize("current", [None, "3-prod-sha-0123456789ab"])
def test_a_project_of_another_environment_is_refused_by_its_name(world, current):
    """Deployed here before or new: its containers would be removed as orphans of ours."""
    projects = (Project("homeguru", "/srv/other", environment="staging"),)
    seen = replace(
        world.bare, containers=_theirs(world), projects=projects, current=current,
        environment="prod" if current else "",
    )  # fmt: skip
    told = _refused(world, seen)
    assert (
        told.what == "Compose project homeguru is environment staging's, which runs in /srv/other"
    )
    assert told.state == (f"runs {current}, unchanged" if current else "untouched")
    assert "give environment prod a `project` and a directory of its own" in told.todo
    assert "adopt" not in str(told)


def test_an_environment_whose_directory_may_not_be_read_is_one_all_the_same(world):
    seen = replace(
        world.bare, containers=_theirs(world), projects=(Project("homeguru", "/srv/other"),)
    )
    assert _refused(world, seen).what == (
        "Compose project homeguru is another environment's, which runs in /srv/other"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": "/home/sunko", "compose_file": "/home/sunko/docker-compose.yml"},
        {"directory": "/home/sunko", "compose_file": "/home/sunko/compose.yml", "ref": "api:v1"},
    ],
)
def test_what_was_started_by_hand_is_no_environments(world, changes):
    seen = replace(
        world.bare, containers=_theirs(world, **changes),
        projects=(Project("homeguru", "/home/sunko"), Project("other", "/srv/x")),
    )  # fmt: skip
    assert ownership(world.environment, world.stack, seen) == []


def test_a_directory_that_moved_in_the_file_alone_is_told(world):
    """It was called deployed by hand, and adopted without its records."""
    projects = (Project("homeguru", "/srv/other", environment="prod"),)
    told = _refused(world, replace(world.bare, containers=_theirs(world), projects=projects))
    assert told.what == (
        "environment prod is deployed in /srv/other, and its file names directory /srv/homeguru"
    )
    assert told.todo == 'write directory = "/srv/other" again'


def _deployed(world, **changes):
    """The host as release 1 left it, seen by an environment that names another project."""
    seen = world.settled(
        containers=(), project="homeguru", environment="prod",
        projects=(Project("homeguru", OURS, here=True),),
    )  # fmt: skip
    return replace(seen, **changes)


def test_a_project_that_was_renamed_is_told_with_both_names_and_the_way(world, make_environment):
    told = _refused(world, _deployed(world), make_environment(project="sunko"))
    assert told.what == (
        "environment prod is deployed as Compose project homeguru, and its file names project sunko"
    )
    assert told.state.startswith("runs 1-prod-sha-")
    assert told.todo == (
        'write project = "homeguru" again. To rename it: '
        '1. write POSTGRES_VOLUME = "homeguru_postgres-data" under [variables], which keeps its data; '
        "2. then on the server, where nothing serves from here on: docker ps -aq --filter "
        "label=com.docker.compose.project=homeguru | xargs docker rm -f; "
        "then homeguru deploy current --env prod"
    )


def test_a_folder_that_outlasts_releases_outlasts_a_renamed_project(world, make_environment):
    """Its volume is not in a file of people's, so a variable must be able to name it."""
    name = "${KEEP_BOT_CACHE:-${COMPOSE_PROJECT_NAME}_keep-bot-cache}"
    world.stack = replace(world.stack, volumes={"bot": ((name, "/cache"),)})
    told = _refused(world, _deployed(world), make_environment(project="sunko"))
    assert '1. write KEEP_BOT_CACHE = "homeguru_keep-bot-cache" under [variables]' in told.todo
    variables = {"KEEP_BOT_CACHE": "homeguru_keep-bot-cache"}
    seen = _deployed(world, projects=())
    assert (
        ownership(make_environment(project="sunko", variables=variables), world.stack, seen) == []
    )


@pytest.mark.parametrize(
    ("variables", "projects", "said"),
    [
        ({}, (), "1. write POSTGRES_VOLUME"),
        ({"POSTGRES_VOLUME": "homeguru_postgres-data"}, (Project("homeguru", "/home/sunko"),),
         "1. then on the server"),
        ({"POSTGRES_VOLUME": "homeguru_postgres-data"}, (Project("sunko", OURS, here=True),), ""),
    ],
)  # fmt: skip
def test_renaming_goes_on_when_the_data_is_kept_and_nothing_runs(
    world, make_environment, variables, projects, said
):
    environment = make_environment(project="sunko", variables=variables)
    seen = _deployed(world, projects=projects)
    if not said:
        assert ownership(environment, world.stack, seen) == []
        return
    with pytest.raises(Refused) as told:
        check_owner(environment, world.stack, seen)
    assert said in told.value.todo


def test_a_volume_that_no_variable_names_is_named_in_the_compose_file(world, make_environment):
    volumes = {"postgres": (("${COMPOSE_PROJECT_NAME}_data", "/data"),)}
    stack = replace(world.stack, volumes=volumes)
    ((_, todo),) = ownership(make_environment(project="sunko"), stack, _deployed(world))
    assert "1. give volume data of the Compose file `name: homeguru_data`; 2. then" in todo


def test_a_host_that_did_not_record_its_project_tells_it_by_its_containers(world, make_environment):
    environment = make_environment(project="sunko")
    seen = _deployed(world, project="")
    assert "deployed as Compose project homeguru" in _refused(world, seen, environment).what
    by_hand = replace(seen, current=None, environment="")
    assert ownership(environment, world.stack, by_hand) == []
    ours = replace(seen, containers=_theirs(world, OURS))
    assert ownership(environment, world.stack, ours) == []
