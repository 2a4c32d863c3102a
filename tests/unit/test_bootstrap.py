"""Which steps make a host of a machine, and which files it gets."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from deployments.bootstrap import daemon, firewall
from deployments.bootstrap.machine import Account, Machine, different, read_machine
from deployments.bootstrap.plan import WantedHost, plan, sshd_file, steps
from deployments.bootstrap.ports import application_ports
from deployments.compose.reader import parse_stack
from deployments.errors import Refused
from deployments.shell.machine import as_root, by_hand, prepare
from deployments.shell.quote import Script

KEY = "ssh-ed25519 AAAAdeploy homeguru deploy"
OWN = "ssh-ed25519 AAAAperson me@laptop"
WANTED = WantedHost(
    "root", "systech", KEY, "/opt/systech/sunko", (3003, 8003), administrator="admin",
    administrator_keys=(OWN,),
)  # fmt: skip
FRESH = Machine(
    facts={
        "distribution": "debian", "version": "13", "memory_kb": "4000000", "clock": "chrony",
        "engine": "", "container": "no", "updates": "no", "firewall": "no",
    },
    root=Account(("root",), True, (OWN,)), user=None, administrator=None, owner="",
    sshd={"port": ("22",), "permitrootlogin": ("yes",), "passwordauthentication": ("yes",)},
    listening=frozenset({22}), packages=frozenset({"ca-certificates"}), daemon=None, sshd_file=None,
    firewall_file=None,
)  # fmt: skip
HARDENED = {
    "port": ("22",), "permitrootlogin": ("no",), "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
}  # fmt: skip
DONE = replace(
    FRESH,
    facts={**FRESH.facts, "engine": "26.1.5", "compose": "2.26.1", "updates": "yes", "firewall": "yes"},
    user=Account(("systech", "docker"), False, (KEY,)),
    administrator=Account(("admin",), True, (OWN,)),
    owner="systech", sshd=HARDENED, listening=frozenset({22, 3003, 8003}),
    packages=frozenset({"sudo", "nftables", "unattended-upgrades", "ca-certificates"}),
    daemon=daemon.configuration(None, swarm=False), sshd_file=sshd_file("no"),
    firewall_file=firewall.rules((22,), (3003, 8003)),
)  # fmt: skip


def kinds(wanted: WantedHost, machine: Machine) -> list[str]:
    return [step.kind for step in plan(wanted, machine)]


def test_a_fresh_machine_lacks_everything_and_what_could_lock_out_comes_last() -> None:
    assert kinds(WANTED, FRESH) == [
        "packages", "administrator", "user", "engine", "daemon", "docker group", "directory",
        "updates", "firewall", "sshd",
    ]  # fmt: skip
    assert [s.kind for s in plan(WANTED, FRESH) if s.confirmed] == ["firewall", "sshd"]


def test_a_host_lacks_nothing() -> None:
    assert plan(WANTED, DONE) == ()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"packages": DONE.packages - {"nftables"}}, "packages"),
        ({"administrator": Account(("admin",), False, (OWN,))}, "administrator"),
        ({"administrator": Account(("admin",), True, ())}, "administrator"),
        ({"user": Account(("docker",), False, (OWN,))}, "user"),
        ({"user": Account((), False, (KEY,))}, "docker group"),
        ({"facts": {**DONE.facts, "engine": "20.10.24"}}, "engine"),
        ({"facts": {**DONE.facts, "compose": "2.20.2"}}, "engine"),
        ({"facts": {**DONE.facts, "engine": "", "client": "26.1.5"}}, "engine"),
        ({"daemon": '{"log-opts": {}}'}, "daemon"),
        ({"owner": "root"}, "directory"),
        ({"facts": {**DONE.facts, "memory_kb": "1000000"}}, "swap"),
        ({"facts": {**DONE.facts, "updates": "no"}}, "updates"),
        ({"facts": {**DONE.facts, "firewall": "no"}}, "firewall"),
        ({"firewall_file": firewall.rules((22,), (8003,))}, "firewall"),
        ({"sshd": {**HARDENED, "passwordauthentication": ("yes",)}}, "sshd"),
        ({"sshd": {**HARDENED, "permitrootlogin": ("without-password",)}}, "sshd"),
    ],
)
def test_what_a_host_has_lost_is_made_anew_and_nothing_else(change: dict, kind: str) -> None:
    assert kinds(WANTED, replace(DONE, **change)) == [kind]


def test_a_container_gets_neither_swap_nor_a_clock() -> None:
    small = {**DONE.facts, "memory_kb": "1000000", "clock": "", "container": "yes"}
    assert kinds(WANTED, replace(DONE, facts=small)) == []


def test_a_machine_without_a_time_service_gets_one() -> None:
    without = replace(DONE, facts={**DONE.facts, "clock": ""})
    first, second = plan(WANTED, without)
    assert first.what == "install systemd-timesyncd"
    assert second.calls == ("keep_time systemd-timesyncd",)


def test_who_enters_by_sudo_needs_no_administrator() -> None:
    wanted = replace(WANTED, entered_as="ubuntu", administrator="", administrator_keys=())
    assert "administrator" not in kinds(wanted, FRESH)
    assert wanted.root_login == "no"


def test_root_keeps_its_key_where_nobody_else_could_become_it() -> None:
    wanted = replace(WANTED, administrator="", administrator_keys=())
    assert wanted.root_login == "prohibit-password"
    by_key = replace(DONE, sshd={**HARDENED, "permitrootlogin": ("without-password",)})
    assert kinds(wanted, by_key) == []


@pytest.mark.parametrize(
    "system", [("debian", "11"), ("ubuntu", "20.04"), ("alpine", "3"), ("", "")]
)
def test_another_system_is_refused(system: tuple[str, str]) -> None:
    facts = {**FRESH.facts, "distribution": system[0], "version": system[1]}
    with pytest.raises(Refused, match="the server runs") as refused:
        plan(WANTED, replace(FRESH, facts=facts))
    assert "--print" in refused.value.todo


@pytest.mark.parametrize("system", [("debian", "12"), ("ubuntu", "22.04"), ("ubuntu", "26.04")])
def test_these_systems_are_prepared(system: tuple[str, str]) -> None:
    facts = {**FRESH.facts, "distribution": system[0], "version": system[1]}
    assert plan(WANTED, replace(FRESH, facts=facts))


def test_no_port_is_closed_in_silence() -> None:
    busy = replace(FRESH, listening=frozenset({22, 25, 9100}))
    with pytest.raises(Refused, match="ports 25, 9100 are open") as refused:
        plan(WANTED, busy)
    assert "--keep-open 25 --keep-open 9100" in refused.value.todo
    with pytest.raises(Refused, match="ports 25 are open"):
        plan(replace(WANTED, keep_open=(9100,)), busy)
    [step] = [s for s in plan(replace(WANTED, keep_open=(25, 9100)), busy) if s.kind == "firewall"]
    assert "22, 25, 3003, 8003, 9100" in step.what
    assert plan(replace(WANTED, close_others=True), busy)


def test_an_engine_that_is_too_old_says_what_restarts() -> None:
    facts = {**DONE.facts, "engine": "20.10.24", "running": "3"}
    [step] = plan(WANTED, replace(DONE, facts=facts))
    assert step.what.endswith("instead of 20.10.24: 3 containers restart")


def test_the_firewall_comes_before_docker_and_names_each_port_once() -> None:
    text = firewall.rules((22, 2222), (443, 22))
    assert "tcp dport { 22, 2222 } accept" in text
    assert "meta l4proto { tcp, udp } th dport { 443 } accept" in text
    # Docker translates addresses at -100.
    assert "hook prerouting priority -150" in text
    assert "th dport" not in firewall.rules((22,), ())


def test_what_a_person_wrote_in_daemon_json_stays() -> None:
    own = {"log-opts": {"max-size": "50m"}, "live-restore": False, "dns": ["10.0.0.2"]}
    assert json.loads(daemon.configuration(json.dumps(own), swarm=False)) == {
        "log-opts": {"max-size": "50m", "max-file": "3"}, "live-restore": False, "dns": ["10.0.0.2"],
    }  # fmt: skip
    other = '{"log-driver": "journald", "live-restore": true}'
    assert daemon.configuration(other, swarm=False) == other
    assert "live-restore" not in daemon.configuration(None, swarm=True)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_daemon_json_is_not_replaced(text: str) -> None:
    with pytest.raises(Refused, match="JSON"):
        daemon.configuration(text, swarm=False)


def answer(**parts: str) -> str:
    return "".join(f"{n} {base64.b64encode(t.encode()).decode()}\n" for n, t in parts.items())


def test_an_answer_is_read() -> None:
    machine = read_machine(
        answer(
            facts="distribution=ubuntu\nversion=24.04\nmemory_kb=2048000\n",
            user=f"home=/home/systech\ngroups=systech docker\nsudo=no\n{KEY}\nsudo=yes\n# note\n",
            owner="systech\n", sshd="port 22\nport 2222\nPermitRootLogin no\n",
            listening="00000000:0016\n0100007F:1538\n00000000000000000000000001000000:1F90\n"
            "00000000000000000000000000000000:0BBB\n0000000000000000FFFF00000100007F:0050\n",
            packages="sudo\nnftables\n",
        )
    )  # fmt: skip
    assert machine.system == "ubuntu 24.04"
    assert machine.ssh_ports == (22, 2222)
    # What an account's own file says of its rights counts for nothing.
    assert machine.user == Account(("systech", "docker"), False, (KEY,))
    assert machine.root is None
    assert machine.listening == {22, 3003}
    assert machine.packages == {"sudo", "nftables"}
    assert machine.number("memory_kb") == 2048000
    assert machine.number("swap_kb") == 0


def test_a_step_stands_between_two_lines_of_the_journal() -> None:
    lines = prepare("user", "anna", "make_account systech").text.splitlines()
    assert lines[-3:] == ["note_step user begin anna", "make_account systech", "note_step user end anna"]  # fmt: skip


def test_who_is_not_root_becomes_it_without_a_question() -> None:
    script = Script("say 'hello'\n", 7)
    assert as_root(script, "root") is script
    assert as_root(script, "ubuntu").text == (
        "exec sudo -n bash --norc -c 'say '\"'\"'hello'\"'\"'\n'\n"
    )
    assert as_root(script, "ubuntu").timeout == 7


def test_everything_can_be_pasted_into_a_console() -> None:
    unknown = replace(FRESH, facts={}, root=None, sshd={"port": ("2222",)}, listening=frozenset())
    calls = [c for step in steps(WANTED, unknown) for c in step.calls]
    text = by_hand(*calls)
    assert f"accept_keys systech '{KEY}'" in text
    assert "tcp dport { 2222 } accept" in text


def test_root_does_not_deploy() -> None:
    with pytest.raises(Refused, match="deploys as root"):
        plan(replace(WANTED, user="root"), FRESH)


@pytest.mark.parametrize("name", ["br-ex", "veth0", "docker0"])
def test_a_way_out_that_looks_like_a_bridge_is_refused(name: str) -> None:
    facts = {**FRESH.facts, "uplinks": f"eth1 {name}"}
    with pytest.raises(Refused, match=f"way out is {name}"):
        plan(WANTED, replace(FRESH, facts=facts))


def test_what_the_firewall_lets_in_stays_and_is_asked_about_no_more() -> None:
    """Of another environment on the same server, or kept open by a person."""
    text = firewall.rules((22,), (3003, 8003, 9100))
    both = replace(DONE, firewall_file=text, listening=DONE.listening | {9100, 25})
    assert plan(WANTED, both) == ()
    [step] = plan(replace(WANTED, ports=(8080,)), both)
    assert "22, 3003, 8003, 8080, 9100" in step.what
    [step] = plan(replace(WANTED, close_others=True), both)
    assert "22, 3003, 8003 and no others" in step.what


def test_udp_is_asked_about_but_for_what_only_neighbours_use() -> None:
    machine = read_machine(
        answer(listening="00000000:CA6C/udp\n00000000:0044/udp\n0100007F:0035/udp\n")
    )
    assert machine.listening == {51820}


def test_a_key_that_stands_in_two_files_is_one() -> None:
    again = OWN.replace("me@laptop", "from the provider")
    assert different([OWN, KEY, again]) == (OWN, KEY)


def test_the_firewall_opens_what_others_reach_and_nothing_that_only_the_server_does(
    make_environment, compose_config
) -> None:
    def ports(*more: Any, **edge: str) -> tuple[int, ...]:
        body = compose_config["services"]["edge"]
        services = {
            **compose_config["services"],
            "edge": {**body, "ports": [*body["ports"], *more]},
        }
        stack = parse_stack("", {**compose_config, "services": services}, "compose.yml")
        return application_ports(make_environment(edge=edge), stack)

    assert ports("127.0.0.1:9000:9000", "9001:9001") == (3003, 8003, 9001)
    assert ports("3478:3478/udp", "7000-7001:80") == (3003, 3478, 7000, 7001, 8003)
    assert ports(listen="127.0.0.1") == ()
    assert ports(listen="127.0.0.1", domain="homeguru.example") == (80, 443)
    assert ports(listen="10.0.0.5") == (3003, 8003)
