"""How trivy is called, with whose login, and what `homeguru scan` prints, refuses and ends with.

The stand-in answers in trivy's own form; no vulnerability database was asked.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from deployments.errors import HomeguruError, Refused
from deployments.host.observation import read_observation
from deployments.release.manifest import Manifest, ServiceImage
from infra.cli import app as cli
from infra.cli.actions import release as release_action
from infra.cli.actions.runner import Runner
from infra.cli.actions.scan import scan as scan_step
from infra.environment import context
from infra.look import doctor
from infra.look import scan as look
from infra.publish.vulnerabilities import INSTALL
from infra.registry.api import Registry, Stored
from tests.adapters.publishing import Store
from tests.unit.test_vulnerabilities import FOUND, report

TOKEN = "t0ken-of-the-registry"
DIGESTS = {name: f"sha256:{name[0] * 64}" for name in ("api", "edge", "database")}
NAME = "prod-sha-0123456789ab"
PROGRAM = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
config = pathlib.Path(os.environ.get("DOCKER_CONFIG", "/none")) / "config.json"
call = {
    "argv": sys.argv[1:], "variables": {k: v for k, v in os.environ.items() if k.startswith("TRIVY_")},
    "docker": config.read_text() if config.is_file() else "",
    "mode": oct(config.stat().st_mode)[-3:] if config.is_file() else "",
    "files": {p.name: p.read_text() for p in pathlib.Path.cwd().iterdir()},
}
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
answers = json.loads((folder / "answers").read_text())
code, out, error = next((a for name, a in answers.items() if name in sys.argv[-1]), answers["else"])
sys.stdout.write(out)
sys.stderr.write(error)
sys.exit(code)
"""


class Trivy:
    """A program of that name that answers what it is told, and keeps how it was called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "trivy"
        program.write_text(PROGRAM)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.answers()

    def answers(self, **answers: tuple[int, str, str]) -> None:
        """By a part of the reference; an image that is not named has nothing."""
        (self._folder / "answers").write_text(json.dumps({**answers, "else": (0, report(), "")}))

    @property
    def calls(self) -> list[dict]:
        file = self._folder / "calls"
        return [json.loads(x) for x in file.read_text().splitlines()] if file.is_file() else []


@pytest.fixture
def trivy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trivy:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Trivy(folder)


@pytest.fixture
def no_trivy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


class Released(Store):
    """A registry with one release, whose images are indexes of one platform."""

    login: tuple[str, str] | None = ("robot", TOKEN)

    def __init__(self) -> None:
        super().__init__()
        services = {
            "api": ServiceImage(repository="acme/homeguru-api", digest=DIGESTS["api"], built=True),
            "edge": ServiceImage(repository="library/haproxy", digest=DIGESTS["edge"], built=False),
            "database": ServiceImage(
                repository="library/postgres", digest=DIGESTS["database"], built=False
            ),
        }
        self.release = Manifest.nothing().model_copy(update={"name": NAME, "services": services})
        stored = Stored(self.release.to_json(), "", DIGESTS["api"])
        self.releases = {NAME: stored, "prod-newest": stored}
        self.index: dict = {}

    def manifest(self, repository: str, reference: str) -> dict:
        return self.index if reference == DIGESTS["api"] else {}


@pytest.fixture
def store() -> Released:
    return Released()


@pytest.fixture
def use(located, store: Released, monkeypatch) -> Callable[..., None]:
    """An environment with a [scan], whose registry is the store."""

    def make(**policy: object) -> None:
        infrastructure = {"edge": "docker.io/library/haproxy:3.0", "database": "postgres:16"}
        stack = SimpleNamespace(
            services={}, ordered=(), built=lambda: ["api"],
            deploy=SimpleNamespace(infrastructure=infrastructure),
        )  # fmt: skip

        class Assembled(context.Assembly):
            @contextmanager
            def registry(self):
                yield store

        assembly = Assembled(located(scan=policy), stack, {})
        monkeypatch.setattr(context, "assemble", lambda _: assembly)
        monkeypatch.setattr("infra.cli.actions.scan.assemble", lambda _: assembly)

    return make


def ran(*words: str):
    return CliRunner().invoke(cli.app, ["scan", *words, "--env", "prod"])


def test_each_image_is_asked_for_by_digest(trivy, use, store, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What lies in an application's checkout hides nothing.
    (tmp_path / ".trivyignore").write_text("CVE-2030-0002\n")
    (tmp_path / "trivy.yaml").write_text("severity: LOW\n")
    use()
    done = ran()
    assert done.exit_code == 0, done.output
    options = [
        "image", "--format", "json", "--quiet", "--scanners", "vuln",
        "--severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL", "--ignore-unfixed=false",
        "--ignorefile", ".trivyignore", "--exit-code", "0", "--image-src", "remote",
        "--timeout", "15m",
    ]  # fmt: skip
    assert [call["argv"] for call in trivy.calls] == [
        [*options, f"localhost:5000/acme/homeguru-api@{DIGESTS['api']}"],
        [*options, f"docker.io/library/postgres@{DIGESTS['database']}"],
        [*options, f"docker.io/library/haproxy@{DIGESTS['edge']}"],
    ]
    assert [call["files"] for call in trivy.calls] == [{".trivyignore": ""}] * 3


def test_an_image_for_another_processor_is_asked_for_as_such(trivy, use, store) -> None:
    store.index = {"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}}]}
    use()
    assert ran().exit_code == 0
    assert all(call["argv"][-3:-1] == ["--platform", "linux/arm64"] for call in trivy.calls)


def test_it_logs_in_by_a_configuration_of_its_own(trivy, use, store, monkeypatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/nobody")
    monkeypatch.setenv("TRIVY_USERNAME", "anna")
    monkeypatch.setenv("TRIVY_SEVERITY", "LOW")
    monkeypatch.setenv("TRIVY_DB_REPOSITORY", "mirror.example.org/trivy-db")
    use()
    assert ran().exit_code == 0
    store.login = None
    assert ran().exit_code == 0
    with_login, without = trivy.calls[0], trivy.calls[-1]
    auth = base64.b64encode(f"robot:{TOKEN}".encode()).decode()
    assert json.loads(with_login["docker"]) == {"auths": {"localhost:5000": {"auth": auth}}}
    assert with_login["mode"] == "600"
    assert without["docker"] == ""
    # An empty variable is none to trivy; only where its database lies is this machine's to say.
    assert {k: v for k, v in with_login["variables"].items() if v} == {
        "TRIVY_DB_REPOSITORY": "mirror.example.org/trivy-db"
    }
    words = " ".join(word for call in trivy.calls for word in call["argv"])
    assert TOKEN not in words and auth not in words
    # With it trivy would download its database from whoever answers.
    assert "--insecure" not in words


def test_a_table_of_images_and_what_has_a_fix(trivy, use) -> None:
    trivy.answers(api=(0, report(*FOUND), ""))
    use()
    done = ran(NAME)
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["api", "2", "1", "0", "1", "1", "4", DIGESTS["api"]] in lines
    assert ["edge", "0", "0", "0", "0", "0", "0", DIGESTS["edge"]] in lines
    named = [line for line in lines if line and line[0].startswith(("CVE", "GHSA", "TEMP"))]
    assert [line[:3] for line in named] == [
        ["CVE-2030-0002", "critical", "api"],
        ["GHSA-2c4m-59x9-fr2g", "high", "api"],
    ]


def test_a_release_with_too_much_is_refused(trivy, use) -> None:
    trivy.answers(api=(0, report(*FOUND), ""))
    use(fail_on="critical")
    done = ran()
    assert isinstance(done.exception, Refused)
    assert done.exception.what.startswith(
        f"release {NAME} has 1 known vulnerability from critical on"
    )
    assert "CVE-2030-0002" in done.stdout
    as_json = ran("--json")
    # The error itself is the document then, and nothing is printed beside it.
    assert as_json.stdout == ""
    assert as_json.exception.summary["too_much"] == 1


def test_as_json(trivy, use) -> None:
    trivy.answers(api=(0, report(*FOUND), ""))
    use()
    document = json.loads(ran("--json").stdout)
    assert (document["release"], document["fail_on"], document["too_much"]) == (NAME, "", 0)
    assert [i["services"] for i in document["images"]] == [["api"], ["database"], ["edge"]]
    assert len(document["images"][0]["vulnerabilities"]) == len(FOUND)


def test_current_is_what_runs(trivy, use, store, world, monkeypatch) -> None:
    older = f"docker.io/library/postgres@sha256:{'0' * 64}"
    seen = replace(
        read_observation(""), current=f"3-{NAME}", manifest=store.release.to_json(),
        containers=(world.container("database", older),),
    )  # fmt: skip

    @contextmanager
    def opened(*_: object):
        yield SimpleNamespace(observe=lambda _: seen)

    monkeypatch.setattr(look, "opened", opened)
    use()
    assert ran("current").exit_code == 0
    assert [call["argv"][-1] for call in trivy.calls] == [
        f"localhost:5000/acme/homeguru-api@{DIGESTS['api']}",
        older,
        f"docker.io/library/haproxy@{DIGESTS['edge']}",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (1, "", "2030-01-01T00:00:00Z\tINFO\tx\n2030-01-01T00:00:00Z\tFATAL\tFatal error\tinit error: DB error: no route\n"),
            "trivy could not scan database: init error: DB error: no route",
        ),
        ((2, "", ""), "trivy could not scan database: it does not say why"),
        ((0, "no json", ""), "trivy's report on database is not of the form that is known"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_be_scanned(trivy, use, answer, said) -> None:
    trivy.answers(postgres=answer)
    use()
    error = ran().exception
    assert isinstance(error, HomeguruError)
    assert error.what.startswith(said)
    assert error.where == f"docker.io/library/postgres@{DIGESTS['database']}"


def test_a_missing_trivy_is_refused_before_the_registry_is_asked(use, no_trivy, store) -> None:
    store.releases = {}
    use()
    error = ran().exception
    assert isinstance(error, Refused)
    assert error.todo.startswith(f"install it: {INSTALL}")


# -- doctor, and the workflows' steps ------------------------------------------------------


def test_doctor_names_a_missing_trivy_only_where_it_is_needed(located, no_trivy) -> None:
    def found(**policy: object) -> list:
        registry = lambda: Registry("localhost:1")  # noqa: E731
        assembly = SimpleNamespace(
            located=located(scan=policy), registry=registry, configuration=lambda: None
        )
        return [d for d in doctor._of_files(assembly) if d.name == "scanner"]

    assert found() == []
    (missing,) = found(fail_on="high")
    assert missing.verdict == "warning"
    assert (
        missing.what == "trivy, which finds known vulnerabilities, is not installed on this machine"
    )


def test_doctor_says_from_which_severity_on(located, trivy) -> None:
    assembly = SimpleNamespace(
        located=located(scan={"fail_on": "high"}), registry=lambda: Registry("localhost:1"),
        configuration=lambda: None,
    )  # fmt: skip
    (well,) = [d for d in doctor._of_files(assembly) if d.name == "scanner"]
    assert (well.verdict, well.what) == ("ok", "trivy, which refuses releases from high on")


@pytest.fixture
def runner(tmp_path, monkeypatch) -> Runner:
    values = {
        "RUNNER_TEMP": tmp_path, "GITHUB_STEP_SUMMARY": tmp_path / "summary",
        "HOMEGURU_ENVIRONMENT": "prod", "HOMEGURU_RELEASE": NAME,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return Runner.here()


def test_the_step_leaves_the_table_and_refuses(trivy, use, runner, tmp_path) -> None:
    trivy.answers(api=(0, report(*FOUND), ""))
    use(fail_on="high")
    with pytest.raises(Refused, match="2 known vulnerabilities from high on"):
        scan_step(runner, print)
    text = (tmp_path / "summary").read_text()
    assert "| api | 2 | 1 | 0 | 1 | 1 | 4 |" in text
    assert "CVE-2030-0002" in text
    assert "## scan of prod: refused" in text


@pytest.fixture
def deployed(monkeypatch, tmp_path) -> list:
    """What the release step did after its build, in its order."""
    done: list = []
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("SSH_KEY", "the key")

    @contextmanager
    def reached(*_: object):
        os.environ.pop("SSH_KEY")
        yield

    def change(runner: Runner, verb: str, parameters: dict, say: object) -> None:
        done.append((verb, parameters, os.environ.get("SSH_KEY")))

    monkeypatch.setattr(release_action, "server_of_secrets", reached)
    monkeypatch.setattr(release_action, "build", lambda *_: done.append("build") or NAME)
    monkeypatch.setattr(release_action, "_prepare", lambda *_: None)
    monkeypatch.setattr(release_action, "source", lambda _: tmp_path)
    monkeypatch.setattr(release_action.verbs, "change", change)
    return done


def test_release_scans_between_build_and_deploy(
    trivy, use, located, runner, deployed, monkeypatch
) -> None:
    for policy in ({}, {"fail_on": "high"}):
        use(**policy)
        monkeypatch.setattr(
            release_action.locate, "load", lambda _, policy=policy: located(scan=policy)
        )
        release_action.release(runner, print)
    (without, *scanned) = deployed
    assert without[0] == "release"
    assert scanned == ["build", ("deploy", {"release": NAME}, "the key")]
    deployed.clear()
    trivy.answers(api=(0, report(*FOUND), ""))
    with pytest.raises(Refused, match="known vulnerabilities"):
        release_action.release(runner, print)
    assert deployed == ["build"]


def test_release_asks_for_trivy_before_it_builds(
    no_trivy, located, runner, deployed, monkeypatch
) -> None:
    monkeypatch.setattr(release_action.locate, "load", lambda _: located(scan={"fail_on": "high"}))
    with pytest.raises(Refused, match="is not installed"):
        release_action.release(runner, print)
    assert deployed == []
