"""The workflows' own steps, run against the real sandbox: through Prefect's API, and over SSH.

A commit in the application's repository becomes what production serves, in both modes.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from deployments.compose.env_file import parse_secrets
from infra.registry.api import Registry
from tests.e2e.conftest import Chat, git, say
from tests.e2e.stand_in_runner import Job, StepEnded, calls, steps

pytestmark = pytest.mark.e2e
MODES = ("control plane", "ssh")
BOTH_SLOW = ["control plane", pytest.param("ssh", marks=pytest.mark.button)]
"""Both by `make button-test`; `make test` has no time for the second."""
NewJob = Callable[..., Job]
VERSION = re.compile(r'VERSION = "(\w+)"')
numbers = iter(range(100, 10_000))


@pytest.fixture(scope="module")
def chat(world) -> Iterator[Chat]:
    """Who is told of builds and deploys."""
    with world.told(1001) as found:
        yield found


@pytest.fixture(scope="module")
def environment(world, chat: Chat) -> Iterator[None]:
    """`.homeguru/sandbox.toml` in the application's repository: it knows no server."""
    text = (world.environments / "sandbox.toml").read_text()
    host = '[host]\naddress = "unknown.example.org"\nuser = "nobody"\nkey_file = "none"\n'
    host += "host_keys = []\ntunnel_registry = true\n"
    text = re.sub(r"\[host\]\n(?:.+\n)+", host, text)
    text = re.sub(r'file = ".*secrets.env"\n', "", text)
    assert "[notices]" in text
    folder = world.repository / ".homeguru"
    kept = {p: (world.repository / p).read_text() for p in ("src/version.py", "src/api/main.py")}
    folder.mkdir()
    (folder / "sandbox.toml").write_text(text)
    world.commit("where it is deployed")
    yield
    shutil.rmtree(folder)
    for path, before in kept.items():
        (world.repository / path).write_text(before)
    world.commit("as before")


@pytest.fixture(scope="module")
def secrets(world, chat: Chat) -> dict[str, str]:
    """Secrets of the repository on GitHub."""
    info = world.info
    values = parse_secrets((world.environments / "sandbox.secrets.env").read_text(), "secrets")
    return {
        **values, "SSH_KEY": info.ssh_key.read_text(), "SSH_HOST": "127.0.0.1",
        "SSH_USER": info.ssh_user, "SSH_PORT": str(info.ssh_port),
        "SSH_KNOWN_HOSTS": f"# of the console\n[127.0.0.1]:{info.ssh_port} {info.host_key}\n",
    }  # fmt: skip


@pytest.fixture(scope="module")
def job(world, environment, secrets, tmp_path_factory) -> NewJob:
    """A new job of a workflow on a new checkout. Its runner's home is shared, its files not."""
    home = tmp_path_factory.mktemp("runner")

    def make(name: str, mode: str, **changes) -> Job:
        run_id = str(next(numbers))
        workspace = home / f"work-{run_id}"
        git(world.repository, "clone", "-q", str(world.repository), str(workspace))
        inputs = {
            "environment": "sandbox", "release": "newest", "dry-run": False, "approve": "",
            "database": "keep",
        }  # fmt: skip
        there = {"PREFECT_API_URL": world.api} if mode == "control plane" else {}
        # With a control plane the server's secrets lie there; a build tells all the same.
        found = dict(secrets) if mode == "ssh" else {"NOTIFY_URLS": secrets["NOTIFY_URLS"]}
        return Job(
            name, workspace, home / f"temp-{run_id}", inputs | changes.pop("inputs", {}),
            found | changes.pop("secrets", {}), there, run_id=run_id, **changes,
        )  # fmt: skip

    return make


def new_version(world, more: dict[str, tuple[str, str]] | None = None) -> str:
    """Commit a new version; its name."""
    before = VERSION.search((world.repository / "src/version.py").read_text())
    assert before
    version = f"a{next(numbers)}"
    world.edit({"src/version.py": (before[1], version), **(more or {})}, version)
    return version


def ok(ended: StepEnded) -> StepEnded:
    assert ended.code == 0, ended.log
    return ended


def button_adds(world, ended: StepEnded) -> float:
    """Seconds of the step beyond the run, from its creation to its end, or from its first step."""
    match = re.search(r"/runs/flow-run/([0-9a-f-]{36})", ended.log)
    if match:
        run = httpx.get(f"{world.api}/flow_runs/{match[1]}", trust_env=False).json()
        begin, end = (datetime.fromisoformat(run[name]) for name in ("created", "end_time"))
        return ended.seconds - (end - begin).total_seconds()
    own = re.search(r"- seconds: ([\d.]+)", ended.summary)
    assert own, ended.summary
    return ended.seconds - float(own[1])


def no_secret(secrets: dict[str, str], ended: StepEnded) -> None:
    for name in ("SSH_KEY", "POSTGRES_PASSWORD", "JWT_SECRET_KEY", "TELEGRAM_BOT_TOKEN"):
        assert secrets[name] not in ended.log + ended.summary


@pytest.mark.parametrize("mode", BOTH_SLOW)
def test_from_a_commit_to_what_production_serves(
    world, job: NewJob, secrets, chat: Chat, mode: str
) -> None:
    version, known = new_version(world), len(chat.texts())
    commit = git(world.repository, "rev-parse", "HEAD")
    build = job("build", mode)
    built = ok(build.run())
    release, digests = built.outputs["release"], json.loads(built.outputs["digests"])
    label = f"sha-{commit[:12]}"
    assert release == f"sandbox-{label}"
    assert set(digests) == {"api", "bot", "frontend"}
    assert json.loads(Path(built.outputs["manifest"]).read_text())["commit"] == commit
    with Registry(world.info.registry) as registry:
        for service, digest in digests.items():
            assert digest in built.summary
            for tag in ("latest", label):
                assert registry.digest(f"systech/homeguru-{service}", tag) == digest
    assert re.search(r"\| \d+ MB \|", built.summary)

    deploy = job("deploy", mode)
    deployed = ok(deploy.run())
    assert world.version() == version
    adds = button_adds(world, deployed)
    say(f"{mode}: build {built.seconds:.1f} s, press to served {deployed.seconds:.1f} s, "
        f"button adds {adds:.1f} s")  # fmt: skip
    assert deployed.seconds < 180
    assert deployed.outputs["release"].endswith(release)
    line = world.ledger()[-1]
    assert (line["who"], line["origin"], line["outcome"]) == ("octocat", "actions", "ok")
    assert line["link"] == f"https://github.com/acme/homeguru/actions/runs/{deploy.run_id}"
    assert "## deploy of sandbox: done" in deployed.summary
    assert world.info.api_url in deployed.summary
    assert digests["api"][:19] in deployed.summary
    assert re.search("(start|replace) api", deployed.log)
    assert not (deploy.temp / "homeguru-deploy-key").exists()
    no_secret(secrets, built)
    no_secret(secrets, deployed)
    published, told = chat.texts()[known:]
    assert f"sandbox: published {release}" in published
    assert f"sandbox: deployed {line['release']}" in told
    assert "by octocat" in told
    last = world.ok("history", "--env", "sandbox")[-1]
    assert (last["who"], last["link"], last["outcome"]) == ("octocat", line["link"], "ok")
    if mode == "control plane":
        # Over SSH the first press starts Prefect in the job, cold: no server is there to ask.
        assert adds < 5


@pytest.mark.button
@pytest.mark.parametrize("mode", MODES)
def test_one_job_from_a_commit_to_what_production_serves(
    world, job: NewJob, secrets, mode: str
) -> None:
    version = new_version(world)
    commit = git(world.repository, "rev-parse", "HEAD")
    released = ok(job("release", mode).run())
    assert world.version() == version
    assert released.outputs["release"].endswith(f"-sandbox-sha-{commit[:12]}")
    assert "## deploy of sandbox: done" in released.summary
    # The runner pulls on the server only where it is the one that deploys.
    ahead = "the server has pulled 2 of the images already"
    assert (ahead in released.log) == (mode == "ssh")
    line = world.ledger()[-1]
    assert (line["who"], line["origin"], line["outcome"]) == ("octocat", "actions", "ok")
    no_secret(secrets, released)
    say(f"{mode}: push to served {released.seconds:.1f} s")


@pytest.mark.button
@pytest.mark.parametrize("mode", MODES)
def test_a_broken_commit_fails_the_one_job_and_production_stays(
    world, job: NewJob, mode: str
) -> None:
    before = world.version()
    broken = 'raise SystemExit("broken on purpose")\nsettings = Settings'
    new_version(world, {"src/api/main.py": ("settings = Settings", broken)})
    try:
        ended = job("release", mode).run()
    finally:
        world.edit({"src/api/main.py": (broken, "settings = Settings")}, "as before")
    assert ended.code == 1, ended.log
    assert world.version() == before
    assert "of sandbox: failed" in ended.summary, ended.summary


@pytest.mark.button
@pytest.mark.parametrize("mode", MODES)
def test_a_second_build_builds_nothing_and_a_second_press_changes_nothing(
    world, job: NewJob, mode: str
) -> None:
    built = ok(job("build", mode).run())
    assert built.log.count("unchanged, inputs") == 3
    containers = world.containers()
    pressed = ok(job("deploy", mode).run())
    assert "nothing to do" in pressed.summary
    assert world.containers() == containers
    say(f"{mode}: build of nothing {built.seconds:.1f} s, press for nothing {pressed.seconds:.1f}")


@pytest.mark.parametrize("mode", BOTH_SLOW)
def test_a_broken_commit_fails_the_job_and_production_stays(
    world, job: NewJob, chat: Chat, mode: str
) -> None:
    before, known = world.version(), len(chat.texts())
    broken = 'raise SystemExit("broken on purpose")\nsettings = Settings'
    new_version(world, {"src/api/main.py": ("settings = Settings", broken)})
    try:
        ok(job("build", mode).run())
        ended = job("deploy", mode).run()
        assert ended.code == 1, ended.log
        assert world.version() == before
        assert world.ledger()[-1]["outcome"] == "undone"
        assert "## deploy of sandbox: failed" in ended.summary
        assert "broken on purpose" in ended.summary
        assert "as before" in ended.summary
        assert re.search(r"^::error::.*broken on purpose", ended.log, re.M)
        assert "Traceback (most" not in ended.summary
        _, told = chat.texts()[known:]
        assert "sandbox: deploy failed" in told
        assert "broken on purpose" in told
        assert "as before" in told
    finally:
        git(world.repository, "revert", "--no-edit", "HEAD")


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_changes_nothing(world, job: NewJob, secrets, mode: str) -> None:
    """A plan is always made over SSH."""
    lines = len(world.ledger())
    given = {"inputs": {"dry-run": True}, "secrets": secrets}
    ended = ok(job("deploy", mode, **given).run())
    assert "## plan for sandbox" in ended.summary
    assert len(world.ledger()) == lines


@pytest.mark.button
@pytest.mark.parametrize("mode", MODES)
def test_rollback_and_verify_are_buttons_too(world, job: NewJob, mode: str) -> None:
    before = world.version()
    # Not `newest`: that is the broken one of the test before.
    good = str(world.ok("status", "--env", "sandbox")["release"]).partition("-")[2]
    rolled = ok(job("rollback", mode, inputs={"release": "previous"}).run())
    assert "## rollback of sandbox: done" in rolled.summary
    assert world.version() != before
    verify = job("verify", mode)
    verified = ok(verify.run())
    assert "all checks passed" in verified.summary
    # Without a server the runner keeps what a look remembers; the workflow caches it.
    memory = verify.temp / "homeguru-state" / "watch" / "sandbox.json"
    assert memory.exists() == (mode == "ssh")
    ok(job("deploy", mode, inputs={"release": good}).run())
    assert world.version() == before
    inputs = {"release": "previous", "database": "restore"}
    refused = job("rollback", mode, inputs=inputs).run()
    assert refused.code == 3
    assert "no backup was made while release" in refused.log


@pytest.mark.button
def test_a_cancelled_job_cancels_its_run(world, job: NewJob) -> None:
    before = world.version()
    new_version(world)
    ok(job("build", "control plane").run())
    deploy = job("deploy", "control plane")
    process, begin = deploy.start(), time.monotonic()
    _wait(world, "replace")
    deploy.interrupt(process)
    log, _ = process.communicate(timeout=60)
    assert process.returncode != 0, log
    run = re.search(r"/runs/flow-run/([0-9a-f-]{36})", log)
    assert run, log
    cancelled = ok(deploy.run_cancel())
    assert "cancelling run" in cancelled.log
    state = _ended(world, run[1])
    say(f"a cancelled job's run ended {time.monotonic() - begin:.1f} s after the press: {state}")
    assert state == "CANCELLED"
    assert world.version() == before
    assert "No run was at work" in ok(deploy.run_cancel()).log
    converged = ok(job("deploy", "control plane").run())
    assert "## deploy of sandbox: done" in converged.summary


@pytest.mark.button
def test_a_job_cancelled_without_a_control_plane_undoes_in_its_ten_seconds_or_says_who_will(
    world, job: NewJob
) -> None:
    new_version(world)
    ok(job("build", "ssh").run())
    deploy = job("deploy", "ssh")
    process = deploy.start()
    _wait(world, "replace")
    deploy.interrupt(process)
    log, _ = process.communicate(timeout=120)
    assert process.returncode == 1, log
    assert "stopped by SIGINT" in log
    assert world.ledger()[-1]["outcome"] == "undone"
    assert "the next run finishes or undoes" in ok(deploy.run_cancel()).summary
    assert not (deploy.temp / "homeguru-deploy-key").exists()
    ok(job("deploy", "ssh").run())


@pytest.mark.button
def test_of_two_presses_at_once_one_is_refused_with_who_is_at_work(world, job: NewJob) -> None:
    new_version(world)
    ok(job("build", "control plane").run())
    first = job("deploy", "control plane", actor="anna")
    with ThreadPoolExecutor(1) as pool:
        pressed = pool.submit(first.run)
        _wait(world, "replace")
        second = job("deploy", "control plane", actor="boris").run()
        assert second.code == 3, second.log
        assert re.search(r"is being changed: deploy by \S*anna", second.log), second.log
        assert "refused" in second.summary
        ok(pressed.result())


WRONG = {
    "not a release": ({"release": "../x"}, {}, 2, "not the name of a release: '../x'"),
    "an unknown release": ({"release": "sandbox-sha-000000000000"}, {}, 2, "is published for sandbox"),
    "an unknown environment": ({"environment": "nowhere"}, {}, 2, "nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_end_with_a_sentence(world, job: NewJob, mode: str, case: str) -> None:
    inputs, secrets, code, sentence = WRONG[case]
    before = len(world.ledger())
    ended = job("deploy", mode, inputs=inputs, secrets=secrets).run()
    assert (ended.code, sentence in ended.log) == (code, True), ended.log
    assert len(world.ledger()) == before


@pytest.mark.parametrize(
    ("missing", "code", "sentence"),
    [
        ("SSH_KEY", 2, "secret SSH_KEY is missing"),
        ("SSH_KNOWN_HOSTS", 2, "secret SSH_KNOWN_HOSTS is missing"),
        ("JWT_SECRET_KEY", 2, "JWT_SECRET_KEY"),
    ],
)
def test_a_missing_secret_is_named(world, job: NewJob, missing, code, sentence) -> None:
    ended = job("deploy", "ssh", secrets={missing: ""}).run()
    assert (ended.code, sentence in ended.log) == (code, True), ended.log
    assert missing in ended.summary


def test_a_host_with_another_key_is_refused(world, job: NewJob) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmPdsgWxIwpEBTPKVgBz6mTlrYWmi8IyLzwFaTxXBGb"
    ended = job("deploy", "ssh", secrets={"SSH_KNOWN_HOSTS": other}).run()
    assert ended.code == 3, ended.log
    strange = {"SSH_KNOWN_HOSTS": f"example.org {other}"}
    ended = job("deploy", "ssh", secrets=strange).run()
    assert ended.code == 2
    assert "a line for example.org, the server is [127.0.0.1]:" in ended.log


@pytest.mark.button
def test_an_api_that_does_not_answer_fails_a_press_and_not_a_build(job: NewJob) -> None:
    dead = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    press = job("deploy", "ssh")
    press.vars = dead
    begin = time.monotonic()
    ended = press.run()
    assert (ended.code, "the Prefect API cannot be reached" in ended.log) == (1, True), ended.log
    assert time.monotonic() - begin < 90
    build = job("build", "ssh")
    build.vars = dead
    built = ok(build.run())
    assert "::warning::this build is not in the control plane's history" in built.log


def test_sync_secrets_writes_blocks_and_reads_none(world, job: NewJob, secrets) -> None:
    given = {n: v for n, v in secrets.items() if not n.startswith("SSH_")}
    first = ok(job("sync-secrets", "control plane", secrets=given).run())
    assert first.log.count("created") == 8
    second = ok(job("sync-secrets", "control plane", secrets=given).run())
    assert second.log.count("updated") == 8
    third = ok(job("sync-secrets", "control plane").run())
    assert (third.log.count("kept"), third.log.count("updated")) == (7, 1)
    for ended in (first, second, third):
        no_secret(secrets, ended)
    path = "/block_types/slug/secret/block_documents/name/homeguru-sandbox-jwt-secret-key"
    answer = httpx.get(f"{world.api}{path}?include_secrets=true", trust_env=False).json()
    assert answer["data"]["value"] == secrets["JWT_SECRET_KEY"]


def test_the_composite_action_alone_builds(job: NewJob) -> None:
    one = job("action", "ssh", inputs={"command": "build"})
    step = next(s for s in steps("action") if calls(s))
    ended = ok(one.step(step, HOMEGURU_ENVIRONMENT="sandbox", HOMEGURU_ENVIRONMENTS=".homeguru"))
    assert ended.outputs["release"].startswith("sandbox-sha-")


def _wait(world, step: str) -> None:
    """Wait until a run is in a step."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        shown = world.on_server("cat lock/owner 2>/dev/null; tail -qn 1 journal/*.jsonl || true")
        if re.search(rf'"event":"begin".*"step":"{step}', shown):
            return
        time.sleep(0.1)
    raise AssertionError(f"no run came to {step}")


def _ended(world, run: str) -> str:
    """The type of state in which a run ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = httpx.get(f"{world.api}/flow_runs/{run}", trust_env=False).json()["state"]["type"]
        if found in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return str(found)
        time.sleep(0.3)
    raise AssertionError("the run did not end")
