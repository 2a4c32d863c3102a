"""Small applications that met a fault: each is released, settles, is released again and goes back.

What every one must do is one story; what is its own stands in a test of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, World, git, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.database]
CASES = ROOT / "tests" / "cases"

ENVIRONMENT = """\
v = 1
project = "{name}"
directory = "/home/systech/{name}"
compose = "{compose}"
push_registry = "{registry}"
pull_registry = "localhost:5000"
repository = "cases/{name}-{{service}}"
healthy_within = 30
[host]
address = "127.0.0.1"
port = {ssh_port}
user = "{ssh_user}"
key_file = "{ssh_key}"
host_keys = ["{host_key}"]
tunnel_registry = true
[need]
disk_mb = 1024
[watch]
every = 0
"""


@dataclass(frozen=True)
class Case:
    """One application on the server. secrets: their values, for this test alone."""

    world: World
    name: str
    repository: Path
    secrets: dict[str, str] = field(default_factory=dict)

    def says(self, *words: str) -> tuple[int, str, str]:
        """Run `homeguru` for this application: exit code, output, errors."""
        ended = self.world.homeguru(*words, "--env", self.name, **self.secrets)
        return ended.code, ended.stdout, ended.stderr

    def ok(self, *words: str) -> dict:
        code, stdout, stderr = self.says(*words, "--json")
        assert code == 0, f"{self.name} {words}: {stdout}\n{stderr}"
        return json.loads(stdout.strip().splitlines()[-1])

    def release(self) -> dict:
        return self.ok("release", "--source", str(self.repository))

    def settled(self, manifest: str = "newest") -> dict:
        """Nothing is left to do, and verification finds no drift; the plan."""
        plan = self.ok("plan", manifest)
        assert plan["steps"] == [], plan
        self.ok("verify")
        return plan

    def edit(self, path: str, before: str, after: str) -> None:
        file = self.repository / path
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        git(self.repository, "commit", "-aqm", "another release")

    def containers(self) -> dict[str, tuple[str, str, str]]:
        """Service to the state, exit code and image reference of its container."""
        shown = self.world.on_server(
            f"docker ps -aq --filter label=com.docker.compose.project={self.name} | xargs -r docker inspect "
            '-f \'{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} '
            "{{.State.ExitCode}} {{.Config.Image}}'"
        )
        rows = [line.split() for line in shown.splitlines()]
        assert len({row[0] for row in rows}) == len(rows), shown
        return {name: (state, code, image) for name, state, code, image in rows}

    def asked(self, service: str, path: str) -> str:
        """What a service answers, asked from inside its container."""
        code = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:4000{path}').read().decode())"
        return self.world.on_server(
            f"docker exec $(docker ps -q --filter label=com.docker.compose.project={self.name} "
            f'--filter label=com.docker.compose.service={service}) python3 -c "{code}"'
        )


@pytest.fixture(scope="module")
def server(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all of them, each in a directory and a project of its own."""
    place = tmp_path_factory.mktemp("cases")
    with world_of_its_own("cases", place, f"{prefect}/api", CASES) as found:
        yield found


@pytest.fixture
def case(server: World, tmp_path: Path) -> Callable[..., Case]:
    """An application of `tests/cases` with an environment. more: further tables of that."""

    def make(name: str, more: str = "", **secrets: str) -> Case:
        folder = tmp_path / name
        git_folder(server.repository / name, folder)
        server.on_server(f"mkdir -p /home/systech/{name}")
        info = server.info
        text = ENVIRONMENT.format(
            name=name, compose=folder / "deploy" / "compose.yml", registry=info.registry,
            ssh_port=info.ssh_port, ssh_user=info.ssh_user, ssh_key=info.ssh_key, host_key=info.host_key,
        )  # fmt: skip
        (server.environments / f"{name}.toml").write_text(text + more)
        return Case(server, name, folder, secrets)

    return make


def git_folder(source: Path, folder: Path) -> None:
    """A repository of a folder's files."""
    git(source.parent, "archive", "--format=tar", "-o", f"{folder}.tar", f"HEAD:{source.name}")
    folder.mkdir()
    shutil.unpack_archive(f"{folder}.tar", folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")


def story(case: Case, service: str = "web", answer: str = "ok V1") -> None:
    """What every application must do: two releases and the way back, settled after each."""
    first = case.release()
    case.settled()
    assert case.asked(service, "/").strip() == answer
    case.edit("web/app.py", "V1", "V2")
    case.release()
    case.settled()
    assert case.asked(service, "/").strip() == answer.replace("V1", "V2")
    case.ok("rollback", "previous")
    case.settled(first["release"].partition("-")[2])
    assert case.asked(service, "/").strip() == answer


def test_a_service_with_a_port_of_its_own_is_replaced_stop_first(case) -> None:
    own = case("own-port-start-first", '[variables]\nA = "1"\n')
    story(own)
    own.edit("web/app.py", "V2", "V3")
    plan = own.ok("plan", own.ok("publish", "--source", str(own.repository))["name"])
    assert [n for n in plan["notes"] if "publishes 8103 itself" in n]


def test_two_services_of_one_image_variable_run_one_image(case) -> None:
    shared = case("one-image-variable")
    story(shared)
    assert len({image for _, _, image in shared.containers().values()}) == 1


def test_whatever_form_a_service_has_nothing_is_left_to_do_after_a_release(case) -> None:
    allowed = '[privileges]\non-the-host = ["network_mode: host"]\n'
    story(case("many-forms", f'[variables]\nA = "1"\nPLAIN = "y"\n{allowed}'))


def test_a_service_that_others_wait_for_runs_once_a_release(case) -> None:
    init = case("init-container")
    story(init)
    assert init.containers()["init"][:2] == ("exited", "0")
    broken = "print('schema ready')\""
    init.edit("deploy/compose.yml", broken, "raise SystemExit('no such table')\"")
    code, _, stderr = init.says("release", "--source", str(init.repository))
    assert code == 1 and "init ended with exit code 1" in stderr and "no such table" in stderr
    assert init.containers()["init"][:2] == ("exited", "0")
    assert init.asked("web", "/").strip() == "ok V1"


def test_a_service_under_a_profile_is_there_where_the_environment_says_so(case) -> None:
    away = case("profile-service")
    away.release()
    assert list(away.containers()) == ["web"]
    assert [n for n in away.settled()["notes"] if n.startswith("worker is left out")]
    file = away.world.environments / f"{away.name}.toml"
    file.write_text(f'{file.read_text()}[services]\nprofiles = ["production"]\n')
    code, _, stderr = away.says("plan", "newest")
    assert code == 2 and "worker depends on beside, which is left out" in stderr, stderr
    file.write_text(file.read_text().replace('"production"', '"production", "night"'))
    story(away)
    assert set(away.containers()) == {"web", "worker", "beside"}
    file.write_text(file.read_text().replace('"production", "night"', ""))
    assert "remove worker" in [s["step"] for s in away.ok("deploy", "newest")["steps"]]
    assert list(away.containers()) == ["web"]


def test_a_secret_in_a_default_of_a_default_reaches_the_container(case) -> None:
    more = '[variables]\nPLAIN = "y"\n[secrets]\nnames = ["PGPASSWORD"]\n'
    nested = case("nested-default-secret", more, PGPASSWORD="deep-enough")
    story(nested)
    environment = json.loads(nested.asked("web", "/env"))
    assert environment["DATABASE_URL"] == "postgres://app:deep-enough@db/app"
    assert environment["PLAIN"] == "y"


def test_an_argument_with_a_default_is_an_input_as_docker_reads_it(case) -> None:
    story(case("copy-argument"))


def test_a_service_that_is_no_repository_name_is_refused_before_any_build(case) -> None:
    upper = case("upper-case-service")
    code, _, stderr = upper.says("publish", "--source", str(upper.repository))
    assert code == 2 and "My_App" in stderr and "Traceback" not in stderr


def test_a_rollback_to_a_release_whose_secret_is_gone_is_refused_by_name(case) -> None:
    edge = '[images]\nedge = "localhost:5000/library/haproxy:3.0"\n[variables]\nA = "1"\n'
    lost = case("rollback-lost-secret", f'{edge}[secrets]\nnames = ["OLD"]\n', OLD="still-there")
    lost.release()
    lost.settled()
    lost.edit("deploy/compose.yml", ', OLD: "${OLD}"', "")
    file = lost.world.environments / f"{lost.name}.toml"
    file.write_text(file.read_text().replace('"OLD"', ""))
    now = replace(lost, secrets={})
    now.release()
    now.settled()
    before = now.containers()
    code, _, stderr = now.says("rollback", "previous")
    assert code in (2, 3) and "OLD" in stderr, stderr
    assert now.containers() == before


def test_what_configs_and_secrets_hold_reaches_the_container_and_changes_with_a_release(
    case,
) -> None:
    pem = '-----BEGIN CERTIFICATE-----\nit\'s $HOME \\n "q"\r\n-----END CERTIFICATE-----\n'
    given = case(
        "configs-and-secrets", '[variables]\nLEVEL = "debug"\n[secrets]\nnames = ["API_KEY", "CERTIFICATE"]\n',
        API_KEY="key-of-the-api", CERTIFICATE=pem,
    )  # fmt: skip
    greeting = 'greeting = "hello"  # costs $5 and ${MORE}, привет\n'
    story(given)
    files = {
        "/etc/app/greeting.conf": greeting, "/settings": "level = debug\nprice = ${5}\n",
        "/run/secrets/api-key": "key-of-the-api", "/etc/app/certificate.pem": pem,
    }  # fmt: skip
    assert json.loads(given.asked("web", "/files")) == files

    given.ok("deploy", "newest")
    given.edit("deploy/greeting.conf", "hello", "good day")
    # The images are the same: what the file holds replaces the one service that is given it.
    assert replaced(given.release()) == ["replace web"]
    given.settled()
    files["/etc/app/greeting.conf"] = greeting.replace("hello", "good day")
    assert json.loads(given.asked("web", "/files")) == files

    rotated = replace(given, secrets={**given.secrets, "CERTIFICATE": "a-rotated-one\n"})
    plan = rotated.ok("plan", "current")
    assert "secrets changed: CERTIFICATE" in json.dumps(plan), plan
    assert replaced(rotated.ok("deploy", "current")) == ["replace web"]
    rotated.settled()
    files["/etc/app/certificate.pem"] = "a-rotated-one\n"
    assert json.loads(rotated.asked("web", "/files")) == files
    # A rollback brings a config back, and never a secret.
    rotated.ok("rollback", "previous")
    assert (
        json.loads(rotated.asked("web", "/files"))["/etc/app/certificate.pem"] == "a-rotated-one\n"
    )
    kept = rotated.world.on_server(
        f"grep -rlE 'a-rotated|END CERT' /home/systech/{given.name}/releases || true"
    )
    assert kept == ""


def replaced(outcome: dict) -> list[str]:
    return [s["step"] for s in outcome["steps"] if s["step"].startswith("replace")]
