"""What gives a container the whole server is refused, unless an environment allows it by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.compose.privileges import check_privileges, privileges
from deployments.compose.reader import HERE
from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse

DIRECTORY = "/opt/acme/shop"


def asked(**body: object) -> list[str]:
    return asked_in({}, **body)


def asked_in(config: dict[str, object], **body: object) -> list[str]:
    return privileges(body, {"SOCKET": "/run/user/1000/docker.sock"}, DIRECTORY, config)


def bound(source: str) -> list[str]:
    return asked(volumes=[{"type": "bind", "source": source, "target": "/x", "read_only": True}])


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"privileged": True}, ["privileged"]),
        ({"privileged": False}, []),
        ({"pid": "host", "ipc": "host"}, ["pid: host", "ipc: host"]),
        ({"ipc": "private", "network_mode": "none"}, []),
        ({"network_mode": "host"}, ["network_mode: host"]),
        ({"userns_mode": "host", "cgroup": "host"}, ["userns_mode: host", "cgroup: host"]),
        ({"cap_add": ["CAP_SYS_ADMIN", "net_bind_service", "all"]},
         ["cap_add: SYS_ADMIN", "cap_add: ALL"]),
        ({"security_opt": ["seccomp=unconfined", "no-new-privileges:true"]},
         ["security_opt: seccomp:unconfined"]),
        ({"devices": ["/dev/sda:/dev/xvda:r", {"source": "/dev/fuse", "target": "/dev/fuse"}]},
         ["devices: /dev/sda", "devices: /dev/fuse"]),
        ({"device_cgroup_rules": ["a *:* rwm"]}, ["device_cgroup_rules"]),
        ({"use_api_socket": True}, ["use_api_socket"]),
        ({"use_api_socket": False, "device_cgroup_rules": []}, []),
        ({"post_start": [{"command": "x"}, {"command": "x", "privileged": True}]}, ["privileged"]),
        ({"pre_stop": [{"command": "x", "user": "root"}]}, []),
    ],
)  # fmt: skip
def test_what_a_service_asks_for(body, named):
    assert asked(**body) == named


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/etc/../", "/"),
        ("/etc", "/etc"),
        ("/var", "/var"),
        ("/proc", "/proc"),
        ("/sys/fs/cgroup", "/sys/fs/cgroup"),
        ("/var/run/docker.sock", "/var/run/docker.sock"),
        ("${SOCKET}", "/run/user/1000/docker.sock"),
        ("${OTHER:-/run/docker.sock}", "/run/docker.sock"),
        ("/root/.ssh", "/root/.ssh"),
        ("/var/lib/docker/volumes", "/var/lib/docker/volumes"),
        # The environment's own directory has its secrets, and what the next release reads.
        (DIRECTORY, DIRECTORY),
        (HERE, DIRECTORY),
        ("/opt/acme", "/opt/acme"),
        # Each of these on its own: the secrets, and what a run and the next release believe.
        (f"{HERE}secrets.env", f"{DIRECTORY}/secrets.env"),
        (f"{HERE}secrets.env.previous", f"{DIRECTORY}/secrets.env.previous"),
        (f"{HERE}.env", f"{DIRECTORY}/.env"),
        (f"{HERE}data/../compose.yml", f"{DIRECTORY}/compose.yml"),
        (f"{DIRECTORY}/releases/r1", f"{DIRECTORY}/releases/r1"),
        (f"{HERE}journal", f"{DIRECTORY}/journal"),
        (f"{HERE}deadman/files", f"{DIRECTORY}/deadman/files"),
        ("/home/me", "/home/me"),
        ("/etc/shadow", "/etc/shadow"),
        ("/etc/cron.d/shop", "/etc/cron.d/shop"),
        ("/home/me/.ssh/authorized_keys", "/home/me/.ssh/authorized_keys"),
    ],
)
def test_a_path_of_the_server_itself(source, named):
    assert bound(source) == [named]


@pytest.mark.parametrize(
    "source",
    ["/etc/localtime", "/etc/letsencrypt", "/srv/data", "/var/log/shop", "/mnt/disk", "/dev/shm",
     f"{HERE}uploads", "/opt/acme/other", "/home/me/data", f"{HERE}edge", f"{HERE}backups",
     f"{HERE}data/releases", f"{HERE}secrets.environment", "/opt/acme/other/secrets.env"],
)  # fmt: skip
def test_a_path_of_an_application(source):
    assert bound(source) == []


@given(st.lists(st.sampled_from(["etc", "..", ".", "", "var", "lib", "docker", "srv", "data"])))
def test_however_a_path_is_written_the_same_one_is_judged(parts):
    plain = [p for p in parts if p not in ("", ".")]
    path, cleaned = "/" + "/".join(parts), "/" + "/".join(plain)
    assert bound(path) == bound(cleaned)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"type": "none", "o": "bind", "device": "/"}, ["/"]),
        ({"type": "none", "o": "bind,ro", "device": "etc"}, ["/etc"]),
        ({"type": "none", "o": "rbind", "device": "${SOCKET}"}, ["/run/user/1000/docker.sock"]),
        ({"type": "none", "o": "bind", "device": f"{HERE}uploads"}, []),
        ({"type": "none", "o": "bind", "device": f"{HERE}releases"}, [f"{DIRECTORY}/releases"]),
        ({"type": "none", "o": "bind", "device": "/srv/data"}, []),
        ({"type": "ext4", "device": "/dev/vda1"}, ["/dev/vda1"]),
        ({"type": "overlay", "device": "overlay", "o": "lowerdir=/etc:/root,upperdir=/srv/u"}, ["/etc", "/root"]),
        ({"type": "nfs", "device": ":/exports", "o": "addr=192.0.2.7,rw"}, []),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=100m"}, []),
        ({}, []),
    ],
)  # fmt: skip
def test_a_named_volume_is_judged_by_what_it_shows(options, named):
    config = {"volumes": {"data": {"driver_opts": options}}}
    mount = {"type": "volume", "source": "data", "target": "/x"}
    assert asked_in(config, volumes=[mount]) == named


@pytest.mark.parametrize("key", ["configs", "secrets"])
def test_a_file_of_a_config_or_a_secret_is_a_path_of_the_server(key):
    config = {key: {"a": {"file": "/var/run/docker.sock"}, "b": {"file": f"{HERE}b.txt"}, "c": {"environment": "C"}}}  # fmt: skip
    assert asked_in(config, **{key: [{"source": "a", "target": "/x"}, "b", "c"]}) == ["/var/run/docker.sock"]  # fmt: skip
    assert asked_in(config, **{key: ["b", "c"]}) == []


def check(allowed: dict[str, list[str]]) -> None:
    config = {
        "services": {
            "web": {},
            "watcher": {"privileged": True, "pid": "host"},
            "away": {"pid": "host"},
        }
    }
    check_privileges(
        config, {"web", "watcher"}, allowed, {}, DIRECTORY, ("compose.yml", "production.toml")
    )


def test_the_refusal_says_what_to_write_to_mean_it():
    with pytest.raises(WrongUse) as refused:
        check({"web": ["privileged"], "watcher": ["privileged"]})
    assert "service watcher asks for `pid: host`:" in refused.value.what
    assert refused.value.state == "untouched"
    line = refused.value.todo.partition("[privileges]: ")[2]
    assert line == 'watcher = ["privileged", "pid: host"]'
    assert "production.toml" in refused.value.todo


def test_what_is_allowed_by_name_passes():
    check({"watcher": ["privileged", "pid: host"]})


def environment(value: list[str]) -> object:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIzdxZBo8WVU7RuE+7rPHP2/1hNj+8x6IfJbySa2enpN"
    where = {"address": "127.0.0.1", "user": "u", "key_file": "key", "host_keys": [key]}
    data = {
        "v": 1, "project": "p", "directory": "/srv/p", "push_registry": "ghcr.io",
        "repository": "a/{service}", "host": where, "privileges": {"watcher": value},
    }  # fmt: skip
    return parse_environment("prod", data, "prod.toml").privileges


def test_every_privilege_that_is_refused_can_be_allowed():
    everything = asked(
        privileged=True, pid="host", cap_add=["ALL"], security_opt=["apparmor:unconfined"],
        devices=["/dev/sda"], volumes=[{"type": "bind", "source": "/", "target": "/host"}],
    )  # fmt: skip
    assert environment(everything) == {"watcher": tuple(everything)}


def test_a_privilege_of_another_form_is_no_privilege():
    with pytest.raises(WrongUse) as refused:
        environment(["host network"])
    assert "a privilege reads as the refusal names it" in str(refused.value)
