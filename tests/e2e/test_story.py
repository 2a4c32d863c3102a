"""The story of a production server, told once, in order, on real parts.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.engine.client import docker

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]

releases: dict[str, str] = {}
"""Version to the manifest's name, as the story goes on."""


def release(world) -> dict:
    return world.ok("release", "--env", "sandbox", "--source", str(world.repository))


@contextmanager
def load(url: str) -> Iterator[list[str]]:
    """GET and POST about twenty times a second; the list fills with what failed."""
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            for number in range(20_000):
                if stop.wait(0.05):
                    return
                try:
                    if number % 5:
                        answer = client.get(f"{url}/health")
                    else:
                        answer = client.post(f"{url}/messages", json={"text": "load"})
                    if not answer.is_success:
                        failed.append(f"{answer.status_code} {answer.request.method}")
                except httpx.HTTPError as error:
                    failed.append(type(error).__name__)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()


def wait_for(world, script: str, work: subprocess.Popen[str], seconds: float = 240) -> None:
    """Until a command that runs has come so far."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if world.on_server(f"{script} && echo yes || true").strip().endswith("yes"):
            return
        assert work.poll() is None, f"ended without {script}: {work.communicate()}"
        time.sleep(0.2)
    work.kill()
    raise AssertionError(f"never true on the server: {script}; {work.communicate()}")


def test_v1_is_released_and_seen_from_outside(world) -> None:
    found = release(world)
    releases["v1"] = found["release"].partition("-")[2]
    assert found["outcome"] == "ok"
    assert found["release"].startswith("1-sandbox-sha-")
    assert found["database_revision"] == "a1b2c3d40002"
    assert world.version() == "v1"
    assert "HomeGuru" in httpx.get(world.info.frontend_url, trust_env=False).text
    written = httpx.post(f"{world.info.api_url}/messages", json={"text": "a sofa"}, trust_env=False)
    assert written.status_code == 201


def test_nothing_is_made_for_services_that_nobody_asked_for(world) -> None:
    volumes = world.on_server(
        "docker volume ls -q --filter label=com.docker.compose.project=homeguru"
    )
    assert volumes.split() == ["homeguru_postgres-data"]


def test_status_equals_what_the_engine_says(world) -> None:
    found = world.ok("status", "--env", "sandbox")
    assert set(found) == {
        "environment", "release", "since", "by", "maintenance", "commit", "services", "urls",
        "database_revision",
    }  # fmt: skip
    shown = world.on_server(
        "docker ps -q --filter label=com.docker.compose.project=homeguru | while read -r id; do "
        "docker inspect -f '{{index .Config.Labels \"com.docker.compose.service\"}} {{.Image}}' $id; done"
        ' | while read -r service image; do echo "$service '
        "$(docker image inspect -f '{{index .RepoDigests 0}}' $image)\"; done"
    )
    engine = {s: r.partition("@")[2] for s, r in (line.split() for line in shown.splitlines())}
    assert {s["name"]: s["digest"] for s in found["services"]} == engine
    assert len(engine) == 5


def test_each_container_has_the_rights_that_the_page_on_security_says(world) -> None:
    row = r"^\| (\w+) \| ([\w:]+) \| (none|[A-Z_, ]+) \| (read only|may be written) \|"
    page = (ROOT / "doc" / "security.md").read_text()
    said = {name: rights for name, *rights in re.findall(row, page, re.MULTILINE)}
    found = {}
    for service, container in world.containers().items():
        inspected = json.loads(world.on_server(f"docker inspect {container.partition(' ')[0]}"))[0]
        host = inspected["HostConfig"]
        assert (host["CapDrop"], host["PidsLimit"]) == (["ALL"], 1024), service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        added = ", ".join(sorted(c.removeprefix("CAP_") for c in host["CapAdd"] or ["none"]))
        files = "read only" if host["ReadonlyRootfs"] else "may be written"
        found[service] = [inspected["Config"]["User"], added, files]
        shares = 2048 if service in ("edge", "postgres") else 0
        assert (host["CpuShares"], host["NanoCpus"]) == (shares, 0), service
    assert found == said
    status = world.homeguru("exec", "api", "--env", "sandbox", "--", "cat", "/proc/self/status")
    assert re.search(r"^CapEff:\t0{16}$", status.stdout, re.MULTILINE), status.stderr
    assert re.search(r"^NoNewPrivs:\t1$", status.stdout, re.MULTILINE)


def test_a_page_that_is_rendered_anew_needs_no_disk_of_its_container(world) -> None:
    """The frontend's own files are read only, and Next.js would keep what it renders among them."""

    def rendered() -> str:
        page = httpx.get(f"{world.info.frontend_url}/ideas", trust_env=False, timeout=30)
        found = re.search(r'<time id="rendered">([^<]+)</time>', page.text)
        assert page.status_code == 200
        assert found, page.text
        return found[1]

    seen, deadline = {rendered()}, time.monotonic() + 30
    while len(seen) < 3:
        assert time.monotonic() < deadline, f"the page stays as it was: {seen}"
        time.sleep(0.5)
        seen.add(rendered())


CONNECT = {
    "edge": "bash -c 'timeout 3 bash -c \"exec 3<>/dev/tcp/{0}/5432\"'",
    "frontend": "node -e \"require('net').connect(5432, '{0}').on('connect', () => process.exit(0))"
    ".on('error', () => process.exit(1)).setTimeout(3000, () => process.exit(1))\"",
    "api": "python -c \"import socket; socket.create_connection(('{0}', 5432), 3)\"",
    "bot": "python -c \"import socket; socket.create_connection(('{0}', 5432), 3)\"",
}
"""Service to a program of its image that connects to a database, by name or address."""


def test_what_people_reach_does_not_reach_the_database(world) -> None:
    containers = {s: c.partition(" ")[0] for s, c in world.containers().items()}
    address = world.on_server(
        "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "
        + containers["postgres"]
    ).split()
    assert len(address) == 1
    reached = {
        service
        for service, words in CONNECT.items()
        for place in ("postgres", *address)
        if "reached" in world.on_server(
            f"docker exec {containers[service]} {words.format(place)} 2>&1 && echo reached || true"
        )
    }  # fmt: skip
    assert reached == {"api", "bot"}


def test_who_is_in_a_container_does_not_get_out_of_it(world) -> None:
    """What docker inspect promises, tried out."""
    before = world.containers()
    inside = {s: f"docker exec {{}} {c.partition(' ')[0]}" for s, c in before.items()}
    for path in ("/", "/usr/local/etc/haproxy/", "/var/lib/haproxy/", "/tmp/"):
        said = world.on_server(f"{inside['edge'].format('-u 0')} touch {path}x 2>&1 || true")
        assert "Read-only file system" in said, path
    # Root's own program, with root's setuid bit: who starts it stays who they are.
    api = inside["api"]
    world.on_server(
        f"{api.format('-u 0')} sh -c 'cp /usr/bin/id /tmp/as-root && chmod 4755 /tmp/as-root'"
    )
    assert world.on_server(f"{api.format('')} /tmp/as-root -u").strip() == "10001"
    world.on_server(f"{api.format('-u 0')} rm /tmp/as-root")
    # More processes than a container may have, all of them at once, however slow the machine.
    bomb = (
        "import os, signal\n"
        "started = []\n"
        "try:\n"
        "    while len(started) < 1200:\n"
        "        child = os.fork()\n"
        "        child or signal.pause()\n"
        "        started.append(child)\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, len(started))\n"
        "finally:\n"
        "    [os.kill(child, signal.SIGKILL) for child in started]\n"
    )
    reason, started = world.on_server(f'{api.format("")} python -c "{bomb}"').split()
    assert reason == "BlockingIOError"
    assert 500 < int(started) < 1024
    deadline = time.monotonic() + 60
    while httpx.get(f"{world.info.api_url}/health", trust_env=False, timeout=30).status_code != 200:
        assert time.monotonic() < deadline, "the api does not recover"
        time.sleep(0.5)
    assert world.containers() == before


def test_a_person_looks_into_a_container_and_the_database(world) -> None:
    inside = world.homeguru(
        "exec", "api", "--env", "sandbox", "--", "sh", "-c", "echo $HOME; exit 7"
    )
    assert (inside.code, inside.stdout.strip()) == (7, "/home/app"), inside.stderr
    count = world.homeguru("psql", "--env", "sandbox", "-c", "SELECT current_user")
    assert "postgres" in count.stdout, count.stderr
    unknown = world.homeguru("exec", "apy", "--env", "sandbox", "--", "true")
    assert unknown.code == 2
    assert "no service 'apy'" in unknown.stderr


def test_the_database_is_reached_by_a_role_that_may_not_change_the_schema(world) -> None:
    roles = world.on_server(
        "docker exec homeguru-postgres-1 psql -U postgres -d homeguru -Atc "
        "\"select tableowner from pg_tables where tablename='messages'; "
        "select has_schema_privilege('homeguru','public','CREATE')\""
    )
    assert roles.split() == ["homeguru_owner", "f"]


def test_v2_migrates_and_loses_no_request(world) -> None:
    before = world.containers()
    revision = world.add_migration("colour", "ALTER TABLE messages ADD COLUMN colour text")
    world.edit({"src/version.py": ('"v1"', '"v2"')}, "v2")
    with load(world.info.api_url) as failed:
        words = ("release", "--env", "sandbox", "--source", str(world.repository), "--json")
        ended = world.homeguru(*words)
    assert ended.code == 0, ended.stderr
    found = ended.json
    releases["v2"] = found["release"].partition("-")[2]
    # While the other one was still built or pushed, as each was there; or it says why not.
    told = ("has pulled 2 of the images already", "the server could not pull ahead of it: ")
    assert any(words in ended.stderr for words in told), ended.stderr
    assert failed == []
    assert found["database_revision"] == revision
    assert world.version() == "v2"
    messages = httpx.get(f"{world.info.api_url}/messages?limit=1000", trust_env=False).json()
    assert "a sofa" in [m["text"] for m in messages]
    after = world.containers()
    unchanged = {s for s in before if before[s] == after[s]}
    assert unchanged == {"postgres", "edge", "frontend"}


def test_a_broken_v3_is_undone_while_v2_serves(world) -> None:
    world.edit({"src/version.py": ('"v2"', '"v3"')}, "v3")
    world.edit(
        {"src/api/main.py": ("settings = Settings", 'raise SystemExit("broken on purpose")\nsettings = Settings')},
        "v3, broken",
    )  # fmt: skip
    with load(world.info.api_url) as failed:
        ended = world.homeguru("release", "--env", "sandbox", "--source", str(world.repository))
    assert failed == []
    assert ended.code == 1
    assert "broken on purpose" in ended.stderr
    assert "as before" in ended.stderr
    assert "Traceback (most" not in ended.stderr
    assert world.version() == "v2"
    last = world.ok("history", "--env", "sandbox")[-1]
    assert last == {"reason": "", **world.ledger()[-1], "note": "", "subject": "v3, broken"}
    assert (last["outcome"], last["verb"]) == ("undone", "deploy")
    assert world.ok("status", "--env", "sandbox")["release"].endswith(releases["v2"])
    assert world.ok("verify", "--env", "sandbox")["outcome"] == "ok"


def test_rollback_to_v1_by_name_keeps_the_database(world) -> None:
    with load(world.info.api_url) as failed:
        found = world.ok("rollback", releases["v1"], "--env", "sandbox")
    assert failed == []
    assert found["release"] == f"1-{releases['v1']}"
    assert world.version() == "v1"
    assert world.ok("status", "--env", "sandbox")["database_revision"] == "a1b2c3d40003"
    messages = httpx.get(f"{world.info.api_url}/messages?limit=1000", trust_env=False).json()
    assert "a sofa" in [m["text"] for m in messages]


def test_a_rollback_to_what_runs_is_done_already(world) -> None:
    before, ledger = world.containers(), world.ledger()
    again = world.ok("rollback", "1", "--env", "sandbox")
    assert (again["release"], again["changed"]) == (f"1-{releases['v1']}", False)
    assert (world.containers(), world.ledger()) == (before, ledger)


def test_an_earlier_release_than_the_first_is_refused(world) -> None:
    ended = world.homeguru("rollback", "--env", "sandbox")
    assert ended.code == 3
    assert "there is no earlier release" in ended.stderr


def test_a_deploy_of_what_runs_touches_nothing(world) -> None:
    world.ok("deploy", releases["v2"], "--env", "sandbox")
    before, lines = world.containers(), len(world.ledger())
    plan = world.ok("plan", releases["v2"], "--env", "sandbox")
    found = world.ok("deploy", releases["v2"], "--env", "sandbox")
    assert plan["changed"] is False
    assert found["changed"] is False
    assert world.containers() == before
    assert len(world.ledger()) == lines


def lose_who_serves(world) -> str:
    """As a hand or a full disk leaves the edge's file; a page that is away."""
    world.on_server(
        "sed -i -E 's/ server s([12]) [^ ]+:([0-9]+) check.*/ server s\\1 idle.invalid:\\2 check"
        " disabled/' edge/haproxy.cfg && docker exec homeguru-edge-1 bash -c 'kill -USR2 1'"
    )
    page = f"{world.info.api_url}/health"
    deadline = time.monotonic() + 30
    while httpx.get(page, trust_env=False).status_code != 503:
        assert time.monotonic() < deadline, "the edge still has who serves"
        time.sleep(0.2)
    return page


def test_an_edge_file_that_lost_who_serves_is_mended_by_the_next_deploy(world) -> None:
    before = world.containers()
    page = lose_who_serves(world)
    found = world.ok("deploy", releases["v2"], "--env", "sandbox")
    assert found["changed"] is True
    assert httpx.get(page, trust_env=False).status_code == 200
    assert world.containers() == before
    # A container that a person has stopped stays down after a reboot: Docker must not take it for one.
    state = f"/var/lib/docker/containers/{before['edge'].partition(' ')[0]}/config.v2.json"
    assert not json.loads(docker("exec", world.info.server, "cat", state))["HasBeenManuallyStopped"]


def test_an_api_that_answers_late_is_waited_for(world) -> None:
    """As on a busy server: the edge's own checks get no answer either, and nobody gets a 503."""
    api = world.containers()["api"].partition(" ")[0]
    late = threading.Thread(
        target=world.on_server, args=[f"docker pause {api} && sleep 9 && docker unpause {api}"]
    )
    late.start()
    try:
        time.sleep(5)
        answer = httpx.get(f"{world.info.api_url}/health", trust_env=False, timeout=60)
    finally:
        late.join()
    assert (answer.status_code, answer.elapsed.total_seconds() > 2) == (200, True)


def test_a_migration_alone_changes_nothing_twice(world) -> None:
    lines = len(world.ledger())
    found = world.ok("migrate", releases["v2"], "--env", "sandbox")
    assert found["database_revision"] == "a1b2c3d40003"
    assert len(world.ledger()) == lines


def test_a_variable_replaces_only_its_users(world) -> None:
    before = world.containers()
    world.set_variable("LLM_MODEL", "openai/gpt-5")
    plan = world.ok("plan", releases["v2"], "--env", "sandbox")
    assert "variables changed: LLM_MODEL" in json.dumps(plan["steps"])
    with load(world.info.api_url) as failed:
        world.ok("deploy", releases["v2"], "--env", "sandbox")
    assert failed == []
    after = world.containers()
    assert {s for s in before if before[s] != after[s]} == {"api", "bot"}
    shown = httpx.get(f"{world.info.api_url}/config", trust_env=False).json()
    assert shown["llm_model"] == "openai/gpt-5"


def test_a_changed_secret_is_seen_by_its_fingerprint(world) -> None:
    plan = world.homeguru(
        "plan", releases["v2"], "--env", "sandbox", "--json", JWT_SECRET_KEY="another-one"
    )
    reasons = {step["step"]: step["reason"] for step in plan.json["steps"]}
    assert reasons["replace api"] == "secrets changed: JWT_SECRET_KEY (start first)"
    assert reasons["replace bot"] == "secrets changed: JWT_SECRET_KEY (stop first)"
    assert "another-one" not in plan.stdout + plan.stderr
    assert world.on_server("ls -A | grep plan- || true") == ""


def test_two_deploys_at_once_one_is_refused_with_who_and_since_when(world) -> None:
    world.set_variable("LLM_MODEL", "openai/gpt-6")
    first = world.start("deploy", releases["v2"], "--env", "sandbox", "--json")
    wait_for(world, "! flock -n lock/session true", first)
    second = world.homeguru("deploy", releases["v2"], "--env", "sandbox")
    stdout, stderr = first.communicate(timeout=300)
    assert first.returncode == 0, stdout + stderr
    assert second.code == 3
    assert "is being changed: deploy by " in second.stderr
    assert " since 20" in second.stderr


def test_ctrl_c_undoes_and_frees_the_lock(world) -> None:
    before = world.ok("status", "--env", "sandbox")
    world.set_variable("LLM_MODEL", "openai/gpt-7")
    process = world.start("deploy", releases["v2"], "--env", "sandbox")
    wait_for(world, 'grep -q \'"step":"replace api"\' journal/*.jsonl && [ -s lock/pid ]', process)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 1, stdout + stderr
    assert "stopped by SIGINT" in stderr
    assert "as before" in stderr
    shown = httpx.get(f"{world.info.api_url}/config", trust_env=False).json()
    assert shown["llm_model"] == "openai/gpt-6"
    assert world.ok("status", "--env", "sandbox")["release"] == before["release"]
    assert world.ledger()[-1]["outcome"] == "undone"


def test_a_deployer_killed_in_a_long_migration_is_followed_by_one_that_converges(world) -> None:
    world.edit({"src/api/main.py": ('raise SystemExit("broken on purpose")\n', "")}, "mend")
    revision = world.add_migration("slow", "SELECT pg_sleep(10)")
    world.edit({"src/version.py": ('"v3"', '"v4"')}, "v4")
    # Its edge gets a file that it has not read by then, and that nobody writes again.
    lose_who_serves(world)
    first = world.start("release", "--env", "sandbox", "--source", str(world.repository))
    wait_for(world, "docker ps --format '{{.Names}}' | grep -qx homeguru-migrate", first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    found = world.ok("deploy", "--env", "sandbox")
    assert found["database_revision"] == revision
    assert world.version() == "v4"
    assert [line["outcome"] for line in world.ledger()[-2:]] == ["undone", "ok"]
    assert world.on_server("docker ps -aq --filter name=homeguru-migrate").strip() == ""
    assert world.ok("verify", "--env", "sandbox")["outcome"] == "ok"


def test_there_were_never_two_pollers(world) -> None:
    url = f"{world.info.telegram_control_url}/_conflicts"
    assert httpx.get(url, trust_env=False).json() == {"count": 0}


def test_no_secret_left_its_file(world) -> None:
    text = (world.environments / "sandbox.secrets.env").read_text()
    secrets = [line.partition("=")[2] for line in text.splitlines()]
    on_host = world.on_server(
        "cat .env compose.yml current releases.jsonl lock/* journal/* releases/*/* edge/*"
    )
    prefect = b"".join(f.read_bytes() for f in (world.state / "prefect").rglob("*") if f.is_file())
    for secret in secrets:
        assert secret not in on_host
        assert secret.encode() not in prefect
