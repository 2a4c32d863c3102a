"""The runner's files and variables, the secrets of the server, summaries, Secret blocks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from deployments.environment.policy import Notices, Signatures
from deployments.environment.server import Secrets
from deployments.errors import HomeguruError, Locked, Refused, WrongUse
from deployments.planning.plan import Plan
from infra.cli.actions import builder, summary, sync, verbs
from infra.cli.actions.known_hosts import pinned_keys
from infra.cli.actions.runner import Runner
from infra.cli.actions.server import KEY_FILE, remove_key, server_of_secrets
from infra.cli.actions.sizes import readable, size_of
from infra.cli.actions.trust import trust
from infra.environment import locate as environments
from infra.machine.processes import Ended
from infra.machine.sinks import clean
from infra.orchestration.api import button
from infra.orchestration.api.client import PrefectApi
from infra.registry.api import Registry
from tests.adapters.test_button import DONE, RUNNING, SCHEMA, Server
from tests.builders import ENVIRONMENT_TOML

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmPdsgWxIwpEBTPKVgBz6mTlrYWmi8IyLzwFaTxXBGb"
CLEARED = (
    "PREFECT_API_URL", "PREFECT_CA", "SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE", "JWT_SECRET_KEY",
)  # fmt: skip
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\r\n-----END OPENSSH PRIVATE KEY-----"
TOML = f"""{ENVIRONMENT_TOML.replace("../keys/id", "none")}\
[secrets]
names = ["JWT_SECRET_KEY", "ADMIN_PASSWORD", "REGISTRY_TOKEN"]
[notices]
urls = "NOTIFY_URLS"
"""


@pytest.fixture
def runner(tmp_path, monkeypatch) -> Runner:
    """A runner in which `prod` is known; SSH and application variables are not set."""
    for name in [n for n in os.environ if n.startswith(("SSH_", "GITHUB_", "HOMEGURU_"))]:
        monkeypatch.delenv(name)
    for name in CLEARED:  # set first, so that what a test leaves there is taken back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "prod.toml").write_text(TOML)
    values = {
        "RUNNER_TEMP": tmp_path / "temp", "GITHUB_OUTPUT": tmp_path / "output",
        "GITHUB_STEP_SUMMARY": tmp_path / "summary", "HOMEGURU_ENVIRONMENTS": tmp_path,
        "HOMEGURU_ENVIRONMENT": "prod",
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(environments, "_overrides", {})
    return Runner.here()


def test_elsewhere_than_on_a_runner_the_verb_itself_is_named(monkeypatch) -> None:
    monkeypatch.delenv("RUNNER_TEMP", raising=False)
    with pytest.raises(WrongUse) as raised:
        Runner.here()
    assert "homeguru deploy" in raised.value.todo


def test_a_secret_that_is_not_set_is_no_value(runner, monkeypatch) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", "")
    Runner.here()
    assert "JWT_SECRET_KEY" not in os.environ


def test_the_values_in_one_secret_are_masked(runner, monkeypatch, capsys) -> None:
    """GitHub knows the whole text as a secret, and not the values in it."""
    monkeypatch.setenv(
        "HOMEGURU_SECRETS", "TOKEN=hunter2-100%\nOTHER='first line\nsecond line'\nSHORT=dev\n"
    )
    capsys.readouterr()
    Runner.here()
    assert capsys.readouterr().out.splitlines() == [
        "::add-mask::hunter2-100%25", "::add-mask::first line", "::add-mask::second line",
    ]  # fmt: skip
    assert "hunter2" not in clean("it was hunter2-100%")


def test_outputs_and_summaries_go_to_the_runners_files(runner, tmp_path, capsys) -> None:
    runner.output("digests", "a\nb")
    runner.summary("## x\n\n")
    runner.annotate("error", "50%\nnext")
    name, _, mark = (tmp_path / "output").read_text().splitlines()[0].partition("<<")
    assert (tmp_path / "output").read_text() == f"{name}<<{mark}\na\nb\n{mark}\n"
    assert (tmp_path / "summary").read_text() == "## x\n"
    assert capsys.readouterr().out == "::error::50%25%0Anext\n"


def test_the_key_is_the_same_for_every_step_of_one_attempt(runner, monkeypatch) -> None:
    for name, value in (("REPOSITORY", "o/r"), ("RUN_ID", "7"), ("JOB", "deploy")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    keys = set()
    for attempt in ("1", "1", "2"):
        monkeypatch.setenv("GITHUB_RUN_ATTEMPT", attempt)
        keys.add(runner.key)
    assert keys == {"actions-o/r-7-1-deploy-prod", "actions-o/r-7-2-deploy-prod"}


def test_two_environments_in_one_run_are_two_keys(runner, monkeypatch) -> None:
    """GITHUB_JOB is the called workflow's, the same however often it is called."""
    monkeypatch.setenv("GITHUB_JOB", "deploy")
    keys = set()
    for environment in ("staging", "production"):
        monkeypatch.setenv("HOMEGURU_ENVIRONMENT", environment)
        keys.add(runner.key)
    assert len(keys) == 2


@pytest.mark.parametrize("name", ["newest", "prod-sha-0a1b2c3d4e5f", "12-prod-sha-0a1b2c3d4e5f"])
def test_a_release_by_name(runner, monkeypatch, name) -> None:
    monkeypatch.setenv("HOMEGURU_RELEASE", f" {name} ")
    assert runner.release("HOMEGURU_RELEASE", "newest") == name


@pytest.mark.parametrize("name", ["../x", "a b", "x;rm", "/etc/passwd", "-h", "a" * 129])
def test_what_is_not_a_release_is_refused(runner, monkeypatch, name) -> None:
    monkeypatch.setenv("HOMEGURU_RELEASE", name)
    with pytest.raises(WrongUse, match="not the name of a release"):
        runner.release("HOMEGURU_RELEASE", "newest")


def test_a_check_box_is_true_or_false(runner, monkeypatch) -> None:
    assert not runner.yes("HOMEGURU_DRY_RUN")
    monkeypatch.setenv("HOMEGURU_DRY_RUN", "yes")
    with pytest.raises(WrongUse, match="true or false"):
        runner.yes("HOMEGURU_DRY_RUN")


def _hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    made = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(made).decode()}"


@pytest.mark.parametrize(
    ("line", "port"),
    [
        (f"h {KEY} comment", 22), (KEY, 22), (f"other,h {KEY}", 22), (f"[h]:2222 {KEY}", 2222),
        (f"{_hashed('h')} {KEY}", 22), (f"{_hashed('[h]:2222')} {KEY}", 2222),
        (f"# h:22 SSH-2.0-OpenSSH\n\nh {KEY}\nh {KEY}", 22),
    ],
)  # fmt: skip
def test_known_hosts_of_this_host(line, port) -> None:
    assert pinned_keys(line, "h", port) == [KEY]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"example.org {KEY}", "a line for example.org, the server is h"),
        (f"{_hashed('example.org')} {KEY}", "another host, its name is hashed"),
        (f"[h]:2222 {KEY}", "the server is h"), ("h", "not a line of known_hosts"),
        (f"@cert-authority *.example.org {KEY}", "not a line of known_hosts"),
        ("# nothing\n", "holds no key"), (f"|1|broken {KEY}", "another host"),
    ],
)  # fmt: skip
def test_known_hosts_of_another_host_are_refused(line, said) -> None:
    with pytest.raises(WrongUse) as raised:
        pinned_keys(line, "h", 22)
    assert said in raised.value.what
    assert "ssh-keyscan h," in raised.value.todo


def test_known_hosts_are_shown_by_the_port_that_is_used() -> None:
    for line in ("# nothing\n", "h", f"h {KEY}"):
        with pytest.raises(WrongUse) as raised:
            pinned_keys(line, "h", 2222)
        assert "ssh-keyscan -p 2222 h," in raised.value.todo


def test_secrets_speak_for_the_host_and_the_key_is_removed(runner, monkeypatch) -> None:
    given = {"HOST": "10.0.0.1", "USER": "systech", "PORT": "2222", "KEY": PEM}
    given["KNOWN_HOSTS"] = f"[10.0.0.1]:2222 {KEY}"
    for name, value in given.items():
        monkeypatch.setenv(f"SSH_{name}", value)
    file = runner.temp / KEY_FILE
    with server_of_secrets(runner, "prod"):
        located = environments.load("prod")
        assert located.environment.ssh == "systech@10.0.0.1:2222"
        assert located.environment.host.host_keys == (KEY,)
        assert located.key_file == file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text() == PEM.replace("\r\n", "\n") + "\n"
        assert "SSH_KEY" not in os.environ
    assert not file.exists()
    remove_key(runner)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "secret SSH_KEY and SSH_KNOWN_HOSTS is missing, and no control plane is named"),
        ({"PREFECT_API_URL": "https://p/api", "SSH_KEY": PEM}, "a plan is made over SSH"),
        ({"SSH_KEY": PEM}, "secret SSH_KNOWN_HOSTS is missing"),
        ({"SSH_KNOWN_HOSTS": KEY}, "secret SSH_KEY is missing"),
        ({"SSH_KEY": KEY}, "SSH_KEY is not a private key"),
        ({"SSH_PORT": "ssh"}, "SSH_PORT is not a port: 'ssh'"),
    ],
)
def test_what_is_missing_or_wrong_is_named(runner, monkeypatch, given, said) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongUse) as raised, server_of_secrets(runner, "prod"):
        pass
    assert said in raised.value.what
    assert "BEGIN" not in str(raised.value).replace("from -----BEGIN to", "")


def test_a_private_ca_is_trusted_beside_the_known_ones(runner, monkeypatch) -> None:
    monkeypatch.setenv("PREFECT_CA", "-----BEGIN CERTIFICATE-----\nours")
    trust(runner)
    text = Path(os.environ["SSL_CERT_FILE"]).read_text()
    assert text.endswith("-----BEGIN CERTIFICATE-----\nours\n")
    assert text.count("-----BEGIN CERTIFICATE-----") > 50
    monkeypatch.setenv("PREFECT_CA", "ours")
    with pytest.raises(WrongUse, match="not a certificate"):
        trust(runner)


def test_a_rollback_offers_only_what_there_is(runner, monkeypatch) -> None:
    monkeypatch.setenv("HOMEGURU_DATABASE", "drop")
    with pytest.raises(WrongUse, match="not a choice for the database: 'drop'"):
        verbs.rollback(runner, print)


def test_a_failed_press_is_told_on_the_page(runner, tmp_path) -> None:
    with pytest.raises(WrongUse):
        verbs.deploy(runner, print)
    page = (tmp_path / "summary").read_text()
    assert page.startswith("## deploy of prod: wrong input\n")
    assert "secret SSH_KEY and SSH_KNOWN_HOSTS is missing" in page


def test_the_page_of_a_deploy_shows_digests_before_and_after() -> None:
    new, old = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    result = {
        "environment": "prod", "verb": "deploy", "release": "2-x", "changed": True,
        "database_revision": "a1", "seconds": 4.25, "urls": {"api": "http://a"},
        "images": {"api": f"r/api@{new}", "bot": f"r/bot@{old}"},
        "steps": [{"step": "replace api", "outcome": "ok", "seconds": 3.0}],
    }  # fmt: skip
    rows = summary.rows({**result, "before": {"api": old, "bot": old}})
    page = summary.done(result, rows, "https://p/runs/flow-run/1", 6.0)
    assert f"| api | `sha256:{'a' * 12}` | `sha256:{'b' * 12}` |" in page
    assert f"| bot | `sha256:{'b' * 12}` | same |" in page
    assert "- seconds: 4.2, with the button 6.0" in page
    assert "- run: [log and steps in Prefect](https://p/runs/flow-run/1)" in page
    assert "| replace api | ok | 3.0 |" in page
    assert summary.rows(result)[0]["before"] == "?"
    assert summary.rows(json.dumps(rows)) == rows


def test_no_line_of_an_error_ends_its_block() -> None:
    page = summary.failed("deploy", "prod", HomeguruError("last lines:\n```\nboom | x"), "")
    assert "\n````text\nlast lines:\n```\nboom | x\n````\n" in page


class Blocks:
    """The Secret blocks of a server."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.sent: list[tuple[str, str]] = []

    def api(self, *_: object) -> PrefectApi:
        return PrefectApi("http://p.test/api", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        body = json.loads(request.content or b"{}")
        if path == "/block_types/slug/secret":
            return httpx.Response(200, json={"id": "t"})
        if path == "/block_schemas/filter":
            return httpx.Response(200, json=[{"id": "s"}])
        name = path.rpartition("/")[2]
        if request.method == "GET":
            found = name in self.known
            return httpx.Response(200 if found else 404, json={"id": name} if found else {})
        self.sent.append((f"{request.method} {body.get('name', name)}", body["data"]["value"]))
        return httpx.Response(200, json={})


def test_secrets_are_created_updated_kept_or_named_as_missing(
    runner, monkeypatch, tmp_path, capsys
) -> None:
    blocks = Blocks(**{"homeguru-prod-jwt-secret-key": "", "homeguru-prod-notify-urls": ""})
    monkeypatch.setattr(PrefectApi, "from_environment", blocks.api)
    monkeypatch.setenv("JWT_SECRET_KEY", "jwt")
    monkeypatch.setenv("REGISTRY_TOKEN", "ghp")
    with pytest.raises(Refused, match="missing: ADMIN_PASSWORD"):
        sync.sync_secrets(runner, print)
    assert blocks.sent == [
        ("PATCH homeguru-prod-jwt-secret-key", "jwt"),
        ("POST homeguru-prod-registry-token", "ghp"),
    ]
    said = capsys.readouterr().out + (tmp_path / "summary").read_text()
    for name, what in (
        ("JWT_SECRET_KEY", "updated"), ("REGISTRY_TOKEN", "created"),
        ("ADMIN_PASSWORD", "missing"), ("NOTIFY_URLS", "kept"),
    ):  # fmt: skip
        assert f"| {name} | `homeguru-prod-{name.lower().replace('_', '-')}` | {what} |" in said
    assert "ghp" not in said


@pytest.mark.parametrize(("given", "sent"), [({}, []), ({"COSIGN_PRIVATE_KEY": "key"}, ["key"])])
def test_the_key_that_signs_goes_only_where_somebody_sends_it(
    runner, monkeypatch, tmp_path, given, sent
) -> None:
    blocks = Blocks()
    monkeypatch.setattr(PrefectApi, "from_environment", blocks.api)
    loaded = environments.load("prod")
    names = {"secrets": Secrets(), "notices": Notices(), "login": None}
    signs = loaded.environment.model_copy(
        update={**names, "signatures": Signatures(keys=("k.pub",))}
    )
    monkeypatch.setattr(sync.locate, "load", lambda _: replace(loaded, environment=signs))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    sync.sync_secrets(runner, print)
    assert [value for _, value in blocks.sent] == sent
    assert "COSIGN_PASSWORD" not in (tmp_path / "summary").read_text()


def test_without_a_control_plane_there_is_nowhere_to_put_secrets(runner) -> None:
    with pytest.raises(WrongUse, match="no control plane is named"):
        sync.sync_secrets(runner, print)


@pytest.mark.parametrize(
    ("inspect", "status", "exports"),
    [
        ("Driver:        docker-container", "", True),
        ("Driver: docker", '[["driver-type","io.containerd.snapshotter.v1"]]', True),
        ("Driver: docker", '[["Backing Filesystem","extfs"]]', False),
    ],
)
def test_cache_and_provenance_where_the_builder_can(
    located, monkeypatch, inspect, status, exports
) -> None:
    def run(*words: str) -> Ended:
        return Ended(0, inspect if "buildx" in words else status, "")

    for name in ("CACHE_FROM", "CACHE_TO", "PROVENANCE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(builder, "run", run)
    said: list[str] = []
    builder.use_builder(located().environment, said.append)
    if exports:
        assert os.environ["CACHE_TO"] == "localhost:5000/acme/homeguru-cache"
        assert os.environ["PROVENANCE"] == "max"
    else:
        assert "CACHE_TO" not in os.environ
        assert "docker/setup-buildx-action" in said[0]


def test_a_size_is_that_of_the_platforms_layers() -> None:
    top, img = (f"sha256:{each * 64}" for each in "ab")
    image = {"config": {"size": 1_000}, "layers": [{"size": 5_000_000}, {"size": 300_000}]}
    index = {
        "manifests": [
            {"digest": "sha256:att", "platform": {"os": "unknown"}},
            {"digest": img, "platform": {"os": "linux"}},
        ]
    }

    def answer(request: httpx.Request) -> httpx.Response:
        found = index if request.url.path.endswith(top) else image
        return httpx.Response(200, json=found)

    registry = Registry("localhost:5000", transport=httpx.MockTransport(answer))
    assert size_of(registry, "r", top) == size_of(registry, "r", img) == 5_301_000
    assert (readable(5_301_000), readable(4_200)) == ("5 MB", "4 kB")


@pytest.fixture
def pressed(runner, monkeypatch, tmp_path):
    """Press a verb on a control plane that accepts it; returns the parameters of its run."""
    for name in ("to", "database"):
        monkeypatch.setitem(SCHEMA["properties"], name, {})
    monkeypatch.setitem(SCHEMA["definitions"]["EnvironmentName"], "enum", ["prod", "other"])
    # This server's log has no last line to wait for.
    monkeypatch.setattr(button, "LAST_LINES", 0)
    server = Server([RUNNING, DONE], {"outcome": "ok"})
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.test/api")
    monkeypatch.setattr(PrefectApi, "from_environment", staticmethod(server.api))

    def press(verb, environment="prod"):
        monkeypatch.setenv("HOMEGURU_ENVIRONMENT", environment)
        verb(Runner.here(), lambda _: None)
        return server.created[-1]["parameters"]

    press.server = server
    return press


@pytest.mark.parametrize("verb", [verbs.deploy, verbs.rollback])
def test_a_press_carries_what_the_environment_is_in_the_checkout(pressed, tmp_path, verb) -> None:
    """A control plane that was not given the commit's file is refused, instead of deploying its own."""
    sent = pressed(verb)["configuration"]
    environments.load("prod").check_as_requested(sent)
    (tmp_path / "prod.toml").write_text(f"bake_minutes = 7\n{TOML}")
    with pytest.raises(Refused, match="bake_minutes differ"):
        environments.load("prod").check_as_requested(sent)


def test_how_the_job_itself_reaches_the_server_is_not_the_workers_matter(
    pressed, monkeypatch
) -> None:
    for name, value in (("HOST", "10.0.0.1"), ("USER", "systech"), ("KNOWN_HOSTS", KEY)):
        monkeypatch.setenv(f"SSH_{name}", value)
    environments.load("prod").check_as_requested(pressed(verbs.deploy)["configuration"])


def test_a_checkout_without_the_environments_file_has_nothing_to_compare(pressed) -> None:
    """The packaged production.toml is an example, and nobody's environment."""
    assert "configuration" not in pressed(verbs.deploy, "other")
    assert environments.own("production") is None


def test_a_look_compares_nothing(pressed) -> None:
    assert "configuration" not in pressed(verbs.verify)


@pytest.mark.parametrize(
    ("event", "verb", "skipped"),
    [
        ("schedule", verbs.verify, True),
        ("workflow_dispatch", verbs.verify, False),
        ("schedule", verbs.deploy, False),
    ],
)
def test_a_look_of_a_schedule_that_meets_a_deploy_is_no_failure(
    pressed, monkeypatch, tmp_path, event, verb, skipped
) -> None:
    def meets(_: button.Press) -> None:
        raise Locked("environment prod is being changed: deploy by anna", todo="wait")

    monkeypatch.setenv("GITHUB_EVENT_NAME", event)
    monkeypatch.setattr(button.Press, "outcome", meets)
    if not skipped:
        with pytest.raises(Locked):
            pressed(verb)
        assert ": refused" in (tmp_path / "summary").read_text()
        return
    pressed(verb)
    assert (tmp_path / "summary").read_text() == (
        "This look was skipped: environment prod is being changed: deploy by anna. "
        "The schedule's next one follows.\n"
    )


def test_a_scheduled_look_that_finds_a_problem_fails(pressed, monkeypatch) -> None:
    def wrong(_: button.Press) -> None:
        raise Refused("the ledger is another environment's")

    monkeypatch.setenv("GITHUB_EVENT_NAME", "schedule")
    monkeypatch.setattr(button.Press, "outcome", wrong)
    with pytest.raises(Refused):
        pressed(verbs.verify)


def test_a_file_that_is_wrong_is_told_before_there_is_a_run(pressed, tmp_path) -> None:
    (tmp_path / "prod.toml").write_text(f'projct = "x"\n{TOML}')
    with pytest.raises(WrongUse, match="unknown key `projct`"):
        pressed(verbs.deploy)
    (tmp_path / "prod.toml").write_text(f'compose = "gone.yml"\n{TOML}')
    with pytest.raises(WrongUse, match="no Compose file"):
        pressed(verbs.deploy)
    assert pressed.server.created == []


def test_a_dry_run_says_whose_file_it_read(runner, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SSH_KEY", PEM)
    monkeypatch.setenv("SSH_KNOWN_HOSTS", KEY)
    monkeypatch.setenv("HOMEGURU_DRY_RUN", "true")
    found = Plan("deploy", "2-x", "x", "1-x", ())
    monkeypatch.setattr(
        verbs, "assemble", lambda name: SimpleNamespace(located=environments.load(name))
    )
    monkeypatch.setattr(verbs.inspection, "plan_of", lambda *_: found)
    said: list[str] = []
    digest = environments.load("prod").digest
    verbs.deploy(runner, said.append)
    assert said[0] == f"from {tmp_path / 'prod.toml'} on this machine, digest {digest}"
    page = (tmp_path / "summary").read_text()
    assert f"- made from: {tmp_path / 'prod.toml'} on this machine, digest {digest}\n" in page
