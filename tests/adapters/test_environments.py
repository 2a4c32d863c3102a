"""Finding environments and what they name."""

from __future__ import annotations

import json
import os

import pytest

from deployments.compose.kept_folders import kept_volumes
from deployments.compose.privileges import privileges
from deployments.errors import WrongUse
from infra.environment import locate as environments
from infra.environment.compose_cli import check_stack, config_of, read_stack, with_kept_volumes
from infra.environment.context import assemble
from infra.environment.folders import names, only
from infra.environment.secrets import SecretsFile
from infra.machine.paths import docker_dir
from infra.publish.manifests import name_of
from tests.builders import ENVIRONMENT_TOML

TOML = f'description = "%s"\n{ENVIRONMENT_TOML}'


@pytest.fixture
def folders(tmp_path, monkeypatch):
    first, second, packaged = (tmp_path / n for n in ("first", "second", "packaged"))
    for folder in (first, second, packaged):
        folder.mkdir()
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", f"{first}{os.pathsep}{second}")
    monkeypatch.setattr("infra.environment.folders.packaged_environments", lambda: packaged)
    return first, second, packaged


def _write(folder, name):
    (folder / f"{name}.toml").write_text(TOML % folder.name)


def test_the_first_folder_that_has_it_wins(folders):
    for folder in folders[1:]:
        _write(folder, "staging")
    assert environments.load("staging").environment.description == "second"
    _write(folders[0], "staging")
    assert environments.load("staging").environment.description == "first"


def test_all_names_once(folders):
    _write(folders[0], "b")
    _write(folders[1], "a")
    _write(folders[2], "b")
    _write(folders[2], "production")
    assert names() == ["b", "a", "production"]


def test_without_the_variable_only_those_of_the_checkout_are_known(folders, monkeypatch):
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS")
    _write(folders[0], "a")
    _write(folders[2], "production")
    assert names() == ["production"]
    assert environments.own("production") is None


def test_what_is_installed_has_no_environments_of_its_own(folders, monkeypatch, tmp_path):
    """Its authors' production server would be the only one, and so the one that is meant."""
    _write(folders[2], "production")
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS")
    monkeypatch.setattr("infra.environment.folders.CHECKOUT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert names() == []
    for look in (only, lambda: environments.load("prod")):
        with pytest.raises(WrongUse, match=r"there is no \.homeguru here") as caught:
            look()
        assert caught.value.where == str(tmp_path)
        assert caught.value.todo == "run homeguru init in the application's repository"
    (tmp_path / ".homeguru").mkdir()
    _write(tmp_path / ".homeguru", "stage")
    assert only() == "stage"


def test_an_unknown_name_lists_the_nearest(folders):
    _write(folders[0], "production")
    _write(folders[0], "sandbox")
    with pytest.raises(WrongUse) as caught:
        environments.load("prodution")
    assert caught.value.what == "no environment 'prodution'"
    assert caught.value.todo == "choose one of: production"
    assert str(folders[0]) in caught.value.where


def test_an_unknown_name_where_none_is_known(folders):
    with pytest.raises(WrongUse) as caught:
        environments.load("x")
    assert caught.value.what == "there is no environment"
    assert caught.value.todo == "run homeguru init in the application's repository"


@pytest.mark.parametrize(
    ("content", "said"), [(b"v = ", "not valid TOML: "), (b"v\xff", "not UTF-8, at byte 1")]
)
def test_a_file_that_is_no_toml(folders, content, said):
    file = folders[0] / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(WrongUse) as caught:
        environments.load("bad")
    assert caught.value.what.startswith(said)
    assert caught.value.where == str(file)


def test_a_mistake_names_its_file(folders):
    file = folders[0] / "bad.toml"
    file.write_text((TOML % "x").replace("[host]", "color = 1\n[host]"))
    with pytest.raises(WrongUse) as caught:
        environments.load("bad")
    line = file.read_text().splitlines().index("color = 1") + 1
    assert (caught.value.what, caught.value.where) == ("unknown key `color`", f"{file}:{line}")


def test_paths_are_relative_to_the_file(folders, tmp_path):
    _write(folders[0], "a")
    located = environments.load("a")
    assert located.key_file == tmp_path / "keys" / "id"
    assert located.beside("/etc/x") == located.file.__class__("/etc/x")
    assert located.compose_file.name == "docker-compose.prod.yml"
    assert located.compose_file.is_file()


def test_a_compose_file_of_its_own(located, tmp_path):
    assert located(compose="stack.yml").compose_file == tmp_path / "stack.yml"


def test_secrets_in_another_encoding_are_told_without_them(tmp_path):
    file = tmp_path / "prod.secrets.env"
    file.write_bytes("TOKEN=hunter2 # \u043a\u043b\u044e\u0447".encode("cp1251"))
    file.chmod(0o600)
    with pytest.raises(WrongUse, match="not UTF-8, at byte 16") as wrong:
        SecretsFile(file)
    assert "hunter2" not in str(wrong.value)


BESIDE = """
services:
  web:
    image: ${WEB_IMAGE}
    %s
x-deploy:
  v: 1
  order: [web]
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("volumes: ['./nginx.conf:/etc/nginx.conf:ro']", "web wants `./nginx.conf`, a file beside"),
        ("env_file: [app.env]", "web wants `env_file`, with the Compose file"),
        ("volumes: ['./data:/data', '/srv/x:/x']", None),
    ],
)
def test_files_beside_the_compose_file_do_not_reach_the_server(tmp_path, more, said):
    (tmp_path / "nginx.conf").touch()
    (tmp_path / "app.env").touch()
    file = tmp_path / "compose.yml"
    file.write_text(BESIDE % more)
    if said is None:
        check_stack(file, read_stack(file))
        return
    with pytest.raises(WrongUse) as wrong:
        check_stack(file, read_stack(file))
    assert said in wrong.value.what
    assert wrong.value.where == str(file)


@pytest.mark.parametrize(
    ("source", "path"),
    [(".", "/opt/systech/sunko"), ("./", "/opt/systech/sunko"), ("..", "/opt/systech"), ("../..", "/opt"),
     ("../../..", "/"), ("../../../etc/ssh", "/etc/ssh")],
)  # fmt: skip
def test_the_environments_own_directory_is_no_folder_of_a_service(tmp_path, source, path):
    """Its secrets lie there; what is above it is known by its path too."""
    file = tmp_path / "compose.yml"
    file.write_text(BESIDE % f"volumes: ['{source}:/app']")
    config = config_of(file.read_text(), str(file))
    asked = privileges(config["services"]["web"], {}, "/opt/systech/sunko", config)
    assert asked == [path]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[images]\npostgress = 'postgres:16'", "[images] names postgress: no such service"),
        ("[dockerfiles]\nwebb = 'Dockerfile'", "[dockerfiles] names webb: no such service"),
        ("[verify]\nleave_out = ['bott']", "[verify] leave_out names bott"),
        ("[verify.skip]\nbotx = ['exec']", "[verify] skip names botx"),
        ("[services]\nleave_out = ['bto']", "[services] leave_out names bto: no such service"),
    ],
)
def test_a_name_that_no_service_has_is_told(folders, more, said):
    (folders[0] / "prod.toml").write_text(f"{TOML % 'x'}\n{more}\n")
    with pytest.raises(WrongUse) as wrong:
        assemble("prod")
    assert said in wrong.value.what
    assert "postgres" in wrong.value.todo


def test_a_profile_that_no_service_has_is_told(folders):
    (folders[0] / "prod.toml").write_text(f"{TOML % 'x'}\n[services]\nprofiles = ['tsl']\n")
    with pytest.raises(
        WrongUse, match=r"\[services\] profiles names tsl: no such profile"
    ) as wrong:
        assemble("prod")
    assert wrong.value.todo == "correct the names; it has migrate, tls"


def test_a_status_page_that_no_edge_would_show_is_refused(folders, tmp_path):
    (tmp_path / "compose.yml").write_text(
        "services: {web: {image: '${WEB_IMAGE}'}}\nx-deploy: {v: 1}\n"
    )
    text = f"compose = '../compose.yml'\n{TOML % 'x'}\n[edge]\nstatus_page = '/status'\n"
    (folders[0] / "prod.toml").write_text(text)
    with pytest.raises(WrongUse, match="and no edge would show it") as wrong:
        assemble("prod")
    assert "under x-deploy of compose.yml" in wrong.value.todo


def test_a_status_page_with_every_routed_service_left_out_is_refused(folders):
    services = "[services]\nleave_out = ['api', 'frontend']\n[edge]\nstatus_page = '/status'\n"
    (folders[0] / "prod.toml").write_text(f"{TOML % 'x'}\n{services}")
    with pytest.raises(WrongUse, match="and no edge would show it"):
        assemble("prod")


def test_a_service_that_an_environment_leaves_out_is_not_there(folders):
    (folders[0] / "prod.toml").write_text(f"{TOML % 'x'}\n[services]\nleave_out = ['bot']\n")
    stack = assemble("prod").stack
    assert stack.built() == ["api", "frontend"]
    assert stack.left_out == {"bot": "[services] leave_out names it"}
    assert stack.placeholders == {"BOT_IMAGE"}


def test_secrets_that_have_no_file_say_so(folders):
    text = f"{TOML % 'x'}\n[secrets]\nfile = 'none.env'\nnames = ['POSTGRES_PASSWORD']\n"
    (folders[0] / "prod.toml").write_text(text)
    with pytest.raises(WrongUse) as wrong:
        assemble("prod").configuration()
    assert wrong.value.where.endswith(f"prod.toml (there is no {folders[0] / 'none.env'})")


def test_a_file_that_includes_another_is_told_so(tmp_path):
    file = tmp_path / "compose.yml"
    file.write_text("include: [other.yml]\nservices: {}\n")
    with pytest.raises(WrongUse) as wrong:
        read_stack(file)
    assert "/tmp/homeguru-compose-" not in wrong.value.what
    assert "one file alone reaches the server" in wrong.value.todo


def test_an_empty_table_is_none(tmp_path):
    file = tmp_path / "compose.yml"
    file.write_text("services: {}\nx-deploy:\n")
    with pytest.raises(WrongUse, match=r"x-deploy\.v: Field required"):
        read_stack(file)


@pytest.mark.parametrize(
    ("service", "better"),
    [("My_App", "my-app"), ("web__x_", "web-x"), ("a..b", "a-b"), (".a", "a")],
)
def test_a_service_that_no_registry_has_a_name_for(folders, service, better):
    """Bake would refuse it after minutes, in its own words; no image of it can be planned either."""
    services = {service: {"image": "${X_IMAGE}"}}
    text = json.dumps({"services": services, "x-deploy": {"v": 1}})
    (folders[0] / "compose.yml").write_text(text)
    (folders[0] / "prod.toml").write_text(f"compose = 'compose.yml'\n{TOML % 'x'}")
    with pytest.raises(WrongUse) as wrong:
        assemble("prod")
    assert wrong.value.what.startswith(f"service {service}: no registry takes an image ")
    assert f"-{service}, for a repository's name" in wrong.value.what
    assert wrong.value.todo.startswith(f"rename {service} to {better} wherever")


def test_folders_that_outlast_a_release_are_volumes_of_the_stack():
    """Compose itself reads the second document: no library for YAML is needed here."""
    stack = read_stack(docker_dir() / "docker-compose.prod.yml")
    assert with_kept_volumes(stack, {}, "x") is stack
    kept = with_kept_volumes(stack, {"bot": ("/home/app/.cache",)}, "prod.toml")
    name = "${KEEP_BOT_HOME_APP_CACHE:-${COMPOSE_PROJECT_NAME}_keep-bot-home-app-.cache}"
    assert kept.volumes["bot"] == ((name, "/home/app/.cache"),)
    assert kept_volumes(kept, "bot") == kept.volumes["bot"]
    # As with any other volume, the advice for a renamed project says which variable keeps it.
    assert kept.references["KEEP_BOT_HOME_APP_CACHE"] is not None
    assert (kept.deploy, kept.services, kept.volumes["api"]) == (stack.deploy, stack.services, ())
    with pytest.raises(WrongUse, match="has a volume at /var/lib/postgresql/data of postgres"):
        with_kept_volumes(stack, {"postgres": ("/var/lib/postgresql/data",)}, "prod.toml")


def test_where_there_is_one_it_need_not_be_named(folders):
    _write(folders[2], "packaged")
    assert only() == "packaged"
    _write(folders[1], "mine")
    assert only() == "mine"
    _write(folders[0], "stage")
    _write(folders[0], "prod")
    with pytest.raises(WrongUse, match="there are 2 environments") as error:
        only()
    assert error.value.todo == "choose one: --env prod, --env stage"


def test_a_name_of_five_thousand_characters_is_a_sentence(folders):
    with pytest.raises(WrongUse, match="no environment"):
        environments.load("x" * 5000)
    assert name_of("x" * 5000) == "x" * 5000
