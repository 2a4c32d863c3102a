"""A machine with sshd and nothing else becomes a host by `bootstrap`, and takes a release."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.shell.machine import prepare
from deployments.shell.quote import call
from infra.bootstrap.host_key import fingerprint
from infra.engine.client import docker
from infra.engine.images import HAPROXY
from infra.ssh.key import ensure_key
from tests.e2e.bare.environment import bootstrap, environment_of, give_upstream, load
from tests.e2e.bare.machine import BareMachine, bare_machine, reaches
from tests.e2e.conftest import BESIDE, World, git, world_of_its_own
from tests.shapes import SHAPES, written

pytestmark = [pytest.mark.e2e, pytest.mark.bootstrap]

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registry and a Telegram stand-in, and a release; the sandbox's own server stays unused."""
    with world_of_its_own("bootstrap", tmp_path_factory.mktemp("bootstrap"), "") as found:
        yield found


@pytest.fixture(scope="module")
def machine(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    folder = tmp_path_factory.mktemp("bare")
    with bare_machine(f"hgtest-bare{BESIDE}", world.info.project, folder) as found:
        environment_of(world, found, "bare")
        yield found


def test_an_unknown_key_is_shown_and_not_trusted(world: World, machine: BareMachine) -> None:
    refused = bootstrap(world, machine, "--dry-run")
    assert refused.code == 3
    assert fingerprint(machine.host_key) in refused.stderr
    other = bootstrap(world, machine, "--dry-run", "--host-key", OTHER)
    assert other.code == 3
    assert "shows another key" in other.stderr
    assert "host_keys = []" in (world.environments / "bare.toml").read_text()


def test_the_plan_comes_first_and_changes_nothing(world: World, machine: BareMachine) -> None:
    shown = bootstrap(
        world, machine, "--dry-run", "--host-key", fingerprint(machine.host_key), "--json"
    )
    assert shown.code == 0, shown.stderr
    kinds = [step["kind"] for step in shown.json["steps"]]
    assert kinds == [
        "packages", "administrator", "user", "engine", "daemon", "docker group", "directory",
        "updates", "firewall", "sshd",
    ]  # fmt: skip
    text = (world.environments / "bare.toml").read_text()
    assert tomllib.loads(text)["host"]["host_keys"] == [machine.host_key]
    assert "# Written by the sandbox" in text
    assert machine.run("id systech || echo none").strip().endswith("none")
    not_asked = bootstrap(world, machine)
    assert not_asked.code == 3
    assert "--yes" in not_asked.stderr


def test_it_becomes_a_host(world: World, machine: BareMachine) -> None:
    done = bootstrap(world, machine, "--yes", "--json")
    assert done.code == 0, done.stderr
    assert done.json["changed"]
    settings = json.loads(machine.run("cat /etc/docker/daemon.json"))
    assert settings["live-restore"]
    assert settings["log-opts"]["max-size"] == "10m"
    assert "docker" in machine.run("id -nG systech")
    keys = machine.run("cat /home/systech/.ssh/authorized_keys").splitlines()
    assert len(keys) == 1
    journal = [
        json.loads(line)
        for line in machine.run("cat /var/lib/homeguru/bootstrap.jsonl").splitlines()
    ]
    assert [(line["step"], line["event"]) for line in journal[-2:]] == [("sshd", "begin"), ("sshd", "end")]  # fmt: skip


def test_the_second_time_nothing_is_to_be_done(world: World, machine: BareMachine) -> None:
    """Root is not let in any more: the administrator is."""
    again = bootstrap(world, machine, "--json")
    assert again.code == 0, again.stderr
    assert not again.json["changed"]


def test_nobody_enters_but_by_key(world: World, machine: BareMachine) -> None:
    assert not machine.lets_in("root", machine.root_key)
    assert not machine.lets_in("root", password="initial")
    assert machine.lets_in("admin", machine.root_key)
    assert machine.lets_in("systech", world.environments / "bare-keys" / "deploy")
    assert not machine.lets_in("systech", machine.root_key)


def test_it_takes_a_release_and_doctor_finds_it_well(world: World, machine: BareMachine) -> None:
    """Images lie in a registry on the server itself: nobody else has one, and no login is needed."""
    give_upstream(world, machine)
    done = world.homeguru("release", "--env", "bare", "--source", str(world.repository))
    assert done.code == 0, done.stderr
    answer = httpx.get(f"http://{machine.address}:8003/health", trust_env=False)
    assert answer.status_code == 200
    found = world.homeguru("doctor", "--env", "bare", "--json")
    wrong = [each for each in found.json["found"] if each["verdict"] != "ok"]
    assert {each["name"] for each in wrong} <= {"notices", "backups"}
    assert found.code == 0


def test_the_registry_on_the_server_lets_go_of_what_no_release_needs(
    world: World, machine: BareMachine
) -> None:
    file = world.environments / "bare.toml"
    file.write_text(f"{file.read_text()}\n[retention]\nreleases = 2\n")
    tags = "docker exec homeguru-registry sh -c 'ls /var/lib/registry/docker/registry/v2/repositories/systech/homeguru-api/_manifests/tags'"
    first = machine.run(tags).split()
    assert any(tag.startswith("in-") for tag in first)
    machine.run("docker exec homeguru-registry sh -c 'find /var/lib/registry -name link -exec touch -d \"2 days ago\" {} +'")  # fmt: skip
    for name in ("second", "third", "fourth"):
        world.rename(name)
        done = world.homeguru("release", "--env", "bare", "--source", str(world.repository))
        assert done.code == 0, done.stderr
    left = machine.run(tags).split()
    assert "latest" in left
    assert not set(first) - {"latest"} & set(left)
    # What is left can be deployed, and what runs can be pulled again.
    assert world.homeguru("verify", "--env", "bare").code == 0
    again = world.homeguru("deploy", "newest", "--env", "bare")
    assert again.code == 0, again.stderr


def test_the_firewall_holds_in_spite_of_docker(world: World, machine: BareMachine) -> None:
    """From another network namespace: a container's published port, and its own address."""
    image = machine.run("docker ps --format '{{.Image}}' | head -n 1").strip()
    machine.run(
        f"docker run -d --name stray -p 9999:9999 --entrypoint sleep {image} 600\n"
        "docker exec -d stray sh -c 'cd /tmp; python3 -m http.server 9999 || busybox httpd -f -p 9999'"
    )
    outside = f"{world.info.project}-telegram"
    inner = machine.run(
        "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' stray"
    ).strip()
    route(outside, inner, machine.address)
    try:
        assert reaches(outside, machine.address, 8003)
        assert reaches(outside, machine.address, 22)
        assert "open" in machine.run("timeout 3 bash -c '</dev/tcp/127.0.0.1/9999' && echo open")
        assert not reaches(outside, machine.address, 9999)
        assert not reaches(outside, inner, 9999)
        machine.run("nft delete table inet homeguru_host")
        # The test would see it, if it were open.
        assert reaches(outside, machine.address, 9999)
    finally:
        machine.run("docker rm -f stray; nft -f /etc/homeguru/firewall.nft")


def route(container: str, target: str, via: str) -> None:
    """Let a container send to a machine's own containers through that machine."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", container)
    subprocess.run(
        ["nsenter", "-t", pid, "-n", "ip", "route", "replace", f"{target}/32", "via", via],
        check=True,
    )


def test_an_application_after_init_is_the_second_one_there(
    world: World, machine: BareMachine, tmp_path: Path
) -> None:
    """Three commands from a repository to production; then a change, a broken one, and back."""
    root = written("counter", tmp_path)
    git(root, "init", "-q", "-b", "main")
    here = {"HOMEGURU_ENVIRONMENTS": str(root / ".homeguru"), "HOME": str(tmp_path)}
    begun = world.homeguru("init", str(root), "--address", machine.address, "--yes", **here)
    assert begun.code == 0, begun.stderr
    file = root / ".homeguru" / "production.toml"
    # A test does not reach Docker Hub.
    edge = f"{tomllib.loads(file.read_text())['pull_registry']}/library/haproxy:3.0"
    text = file.read_text().replace('"host"\n', '"host"\nhealthy_within = 20\n')
    file.write_text(f'{text}\n[images]\nedge = "{edge}"\n')

    def homeguru(*words: str):
        return world.homeguru(*words, "--env", "production", **here)

    key = ("--key", str(machine.root_key), "--host-key", machine.host_key)
    ready = homeguru("bootstrap", "--yes", "--json", *key)
    assert ready.code == 0, ready.stderr
    assert {"user", "directory", "firewall"} <= {s["kind"] for s in ready.json["steps"]}
    homeguru("doctor")
    load(machine, HAPROXY, edge)
    machine.run(f"docker push -q {edge}")

    def answer() -> str:
        return httpx.get(f"http://{machine.address}:8090/", trust_env=False).text

    def released(text: str):
        app = root / "app.py"
        app.write_text(app.read_text().replace("VERSION", text))
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", text)
        return homeguru("release", "--source", str(root))

    first = released("one")
    assert first.code == 0, first.stderr
    assert answer() == "one"
    (root / "app.py").write_text(SHAPES["counter"]["app.py"])
    assert released("two").code == 0
    assert answer() == "two"
    (root / "app.py").write_text("raise SystemExit(1)\n")
    broken = released("never")
    assert broken.code == 1
    assert answer() == "two"
    assert homeguru("rollback").code == 0
    assert answer() == "one"
    # The first application serves as before: its ports stayed open.
    assert httpx.get(f"http://{machine.address}:8003/health", trust_env=False).status_code == 200


def test_what_would_lock_everybody_out_takes_itself_back(
    world: World, tmp_path: Path
) -> None:  # fmt: skip
    """An sshd whose other settings forbid the deploy user: seen only after the reload."""
    with bare_machine(f"hgtest-bare2{BESIDE}", world.info.project, tmp_path) as other:
        environment_of(world, other, "locked")
        first = bootstrap(
            world, other, "--yes", "--host-key", other.host_key, "--json", env="locked"
        )
        assert first.code == 0, first.stderr
        other.run(
            "rm /etc/ssh/sshd_config.d/00-homeguru.conf\n"
            "echo 'AllowUsers root admin' > /etc/ssh/sshd_config.d/60-only.conf"
        )
        failed = bootstrap(world, other, "--yes", env="locked")
        assert failed.code == 1
        assert "it was taken back" in failed.stderr
        assert other.run("ls /etc/ssh/sshd_config.d").split() == ["50-cloud-init.conf", "60-only.conf"]  # fmt: skip
        assert other.lets_in("root", other.root_key)


def test_a_change_that_nobody_confirms_is_taken_back_by_the_machine(machine: BareMachine) -> None:
    """The deployer was killed between a change and its proof."""
    rules = "nft list table inet homeguru_host"
    before = machine.run("cat /etc/homeguru/firewall.nft")
    closed = before.replace("tcp dport { 22 } accept", "tcp dport { 2 } accept")
    assert closed != before
    script = prepare("firewall", "test", call("close_ports", closed, 2))
    machine.run(script.text)
    assert "tcp dport 2 accept" in machine.run(rules)
    # A restart of the server would bring back those of before as well.
    assert machine.run("cat /etc/homeguru/firewall.nft") == before
    machine.run("sleep 4")
    assert "tcp dport 22 accept" in machine.run(rules)


def test_everything_can_be_pasted_into_a_console(world: World, tmp_path: Path) -> None:
    with bare_machine(f"hgtest-bare3{BESIDE}", world.info.project, tmp_path) as other:
        environment_of(world, other, "pasted")
        block = world.homeguru("bootstrap", "--env", "pasted", "--print", "--admin-key",
                               str(write_public(other, tmp_path)))  # fmt: skip
        assert block.code == 0, block.stderr
        other.run(block.stdout)
        shown = bootstrap(
            world, other, "--host-key", other.host_key, "--dry-run", "--json", env="pasted"
        )
        assert shown.json == {"steps": []}, shown.stderr


def write_public(machine: BareMachine, folder: Path) -> Path:
    file = folder / "admin.pub"
    file.write_text(f"{ensure_key(machine.root_key)} me@laptop\n")
    return file
