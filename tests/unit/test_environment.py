"""An environment's file: each mistake is named by its key, and by the file."""

from __future__ import annotations

import pytest

from deployments.environment.mistakes import line_of
from deployments.environment.schema import parse_environment, patience
from deployments.errors import WrongUse


def _refused(data) -> WrongUse:
    with pytest.raises(WrongUse) as caught:
        parse_environment("prod", data, "/etc/prod.toml")
    assert caught.value.where == "/etc/prod.toml"
    assert caught.value.state == "untouched"
    return caught.value


def test_the_smallest_file_has_defaults(make_environment):
    environment = make_environment()
    assert (environment.name, environment.host.port, environment.lock_wait) == ("prod", 22, 0)
    assert (environment.need.disk_mb, environment.need.memory_mb) == (2048, 256)
    assert environment.ssh == "deploy@203.0.113.7:22"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"v": 2}, "`v`: input should be 1"),
        ({"lock_wait": "long"}, "`lock_wait`: input should be a valid integer"),
        ({"lock_wait": 3601}, "`lock_wait`: input should be less than or equal to 3600"),
        ({"project": "Home Guru"}, "`project`: a project is 1 to 40 of a-z, 0-9, _ and -"),
        ({"directory": "srv/homeguru"}, "`directory`: a path from / on"),
        ({"directory": "/srv/home guru"}, "`directory`: a path from / on"),
        ({"directory": "/srv/x\n"}, "`directory`: a path from / on"),
        (
            {"push_registry": "https://ghcr.io"},
            "`push_registry`: a registry reads ghcr.io or localhost:5000",
        ),
        ({"repository": "acme/homeguru"}, "`repository`: a repository reads owner/name-{service}"),
        ({"repository": "../../other/{service}"}, "`repository`: no repository comes of"),
        ({"repository": "acme//{service}"}, "`repository`: no repository comes of"),
        ({"repository": "/{service}"}, "`repository`: no repository comes of"),
        (
            {"images": {"postgres": "postgres@sha256:0"}},
            "`images.postgres`: an image reads host/name:tag or host/name@sha256:...",
        ),
        ({"images": {"postgres": "x y"}}, "`images.postgres`: an image reads host/name:tag"),
        (
            {"host": {"address": "example.org:2222"}},
            "`host.address`: a host's name or IP address, without user and port; the port is",
        ),
        ({"urls": {"api": "example.org"}}, "`urls.api`: an address reads https://host/path"),
        (
            {"urls": {"api": "http://h:80o3"}},
            "`urls.api`: not an address: Port could not",
        ),
        ({"urls": {"api": "http://[fe80::1"}}, "`urls.api`: not an address: Invalid"),
        (
            {"off_host": {"to": "sftp://Backup@h/x"}},
            "`off_host.to`: a place reads s3://bucket/prefix",
        ),
        ({"off_host": {"to": "s3://b/x"}}, "`off_host.to`: a place reads s3://bucket/prefix"),
        ({"off_host": {"to": "sftp://b@h:99999/x"}}, "`off_host.to`: not an address"),
        ({"variables": {"DEBUG": True}}, "`variables.DEBUG`: input should be a valid string"),
        (
            {"variables": {"debug": "x"}},
            "`variables.debug.[key]`: a variable's name is of A-Z, 0-9 and _",
        ),
        ({"variables": "PORT=1"}, "`variables`: input should be a valid dictionary"),
        ({"secrets": {"names": "A"}}, "`secrets.names`: input should be a valid tuple"),
        ({"verify": {"skip": {"api": ["inside"]}}}, "`verify.skip.api.0`: input should be"),
        ({"login": {"user": "USER_NAME"}}, "missing key `login.token`"),
        ({"color": "blue"}, "unknown key `color`"),
        ({"need": {"disk": 1}}, "unknown key `need.disk`: did you mean `disk_mb`?"),
        ({"projct": "x"}, "unknown key `projct`: did you mean `project`?"),
        ({"wach": {"every": 60}}, "unknown key `wach`: did you mean `watch`?"),
        ({"adress": "h"}, "unknown key `adress`"),
        ({"address": "203.0.113.7"}, "unknown key `address`: it belongs to [host]"),
        (
            {"need": {"directory": "/srv/x"}},
            "unknown key `need.directory`: it belongs to the top, before the first [table]",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(toml, changes, said):
    assert said in _refused(toml(**changes)).what


@pytest.mark.parametrize("key", ["v", "project", "directory", "host", "repository"])
def test_a_missing_key_is_named(toml, key):
    data = toml()
    del data[key]
    assert _refused(data).what == f"missing key `{key}`"


TEXT = """v = 1
colour = "red"

[host]  # where
address = "h"
prt = 22

[verify.skip]
api = ["inside"]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("colour",), 2), (("host", "prt"), 6), (("host", "user"), 4),
        (("verify", "skip", "api", 0), 9), (("project",), None),
    ],
)  # fmt: skip
def test_a_mistake_has_a_line(path, line):
    assert line_of(TEXT, path) == line


def test_one_mistake_is_found_by_file_and_line_several_by_their_lines(toml):
    with pytest.raises(WrongUse) as caught:
        parse_environment("prod", toml(colour="red"), "prod.toml", TEXT)
    assert caught.value.where == "prod.toml:2"
    with pytest.raises(WrongUse) as caught:
        parse_environment("prod", toml(colour="red", lock_wait=-1), "prod.toml", TEXT)
    assert caught.value.where == "prod.toml"
    assert "line 2: unknown key `colour`" in caught.value.what


def test_all_mistakes_are_told_at_once(toml):
    data = toml(color="blue", lock_wait=-1)
    del data["project"]
    said = _refused(data).what.split("; ")
    assert sorted(said) == [
        "`lock_wait`: input should be greater than or equal to 0",
        "missing key `project`",
        "unknown key `color`",
    ]


@pytest.mark.parametrize(
    "key",
    [
        "203.0.113.7 ssh-ed25519 AAAA",
        "SHA256:Rm9vYmFy",
        "ssh-ed25519",
        "ssh-ed25519 AAAA alice@laptop",
        "ssh-dss AAAA",
        "",
    ],
)
def test_a_host_key_is_type_and_base64(toml, key):
    host = {**toml()["host"], "host_keys": [key]}
    assert _refused(toml(host=host)).what == (
        '`host.host_keys.0`: a host key reads "ssh-ed25519 AAAA...": type and base64, no host name'
    )


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_known_host_key_types_pass(toml, make_environment, kind):
    host = {**toml()["host"], "host_keys": [f"{kind} AAAA+/=="]}
    assert make_environment(host=host).host.host_keys == (f"{kind} AAAA+/==",)


def test_the_files_own_name_does_not_rename_the_environment(toml):
    data = toml(name="other")
    assert parse_environment("prod", data, "prod.toml").name == "prod"


def test_numbers_in_variables_become_text(make_environment):
    environment = make_environment(variables={"PORT": 8003}, build={"LEVEL": 3})
    assert environment.variables == {"PORT": "8003"}
    assert environment.build == {"LEVEL": "3"}


def test_repositories_come_from_one_pattern(make_environment):
    environment = make_environment()
    assert environment.repository_of("api") == "acme/homeguru-api"
    assert environment.manifests == "acme/homeguru-release"


@pytest.mark.parametrize(
    ("verb", "origin", "wait", "seconds"),
    [
        ("deploy", "schedule", 0, 0), ("verify", "schedule", 0, 0), ("backup", "terminal", 0, 0),
        ("backup", "terminal", 30, 30), ("backup", "schedule", 0, 3600), ("drill", "schedule", 30, 3600),
    ],
)  # fmt: skip
def test_a_scheduled_backup_waits_for_whoever_works_there(
    make_environment, verb, origin, wait, seconds
):
    assert patience(make_environment(lock_wait=wait), verb, origin) == seconds


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"notices": {"urls": "tgram://T/C"}}, "notices.urls"),
        *(
            ({"edge": {"status_page": path}}, "edge.status_page")
            for path in ("/", "status", "/a b", "/../x", "/x/", "/x}", "//x", "/" + "x" * 100)
        ),
        ({"edge": {"domain": "no domain", "email": "a@b.c"}}, "edge.domain"),
        ({"notices": {"telegram_api": "h"}}, "notices.telegram_api"),
    ],
)
def test_a_form_that_may_be_left_empty_is_one_mistake_of_its_own_key(toml, changes, key):
    told = _refused(toml(**changes)).what
    assert told.startswith(f"`{key}`: ")
    assert told.count("; ") == 0
    assert "input should be ''" not in told


@pytest.mark.parametrize(
    ("given", "bot", "api", "longest"),
    [
        ({}, 180, 180, 180), ({"healthy_within": 60}, 60, 60, 60),
        ({"healthy_within": {"bot": 900}}, 900, 180, 900),
        ({"healthy_within": {"default": 60, "bot": 900}}, 900, 60, 900),
    ],
)  # fmt: skip
def test_how_long_a_start_may_take(make_environment, given, bot, api, longest):
    environment = make_environment(**given)
    assert environment.healthy_within_of("bot") == bot
    assert environment.healthy_within_of("api") == api
    assert environment.longest_start == longest


@pytest.mark.parametrize("given", [0, 3601, "long", {"bot": 0}, {"default": "x"}])
def test_a_start_that_may_take_no_time(make_environment, given):
    with pytest.raises(WrongUse, match="healthy_within"):
        make_environment(healthy_within=given)


def test_nobody_reads_a_regular_expression(toml):
    """Every form of a key has words."""
    wrong = toml(
        project="A B", directory="x", pull_registry="https://x", edge={"domain": "_", "email": "x"},
        secrets={"names": ["lower"]}, variables={"lower": "x"}, host={
            "address": "a b", "user": "A B", "key_file": "k", "host_keys": [],
        },
    )  # fmt: skip
    with pytest.raises(WrongUse) as caught:
        parse_environment("Prod", wrong, "prod.toml")
    said = caught.value.what
    assert "pattern" not in said and "^" not in said and "not of the form" not in said
    assert said.count(";") >= 8


def test_a_server_pulls_where_it_was_pushed(toml):
    data = toml(push_registry="ghcr.io")
    del data["pull_registry"]
    environment = parse_environment("prod", data, "prod.toml")
    assert environment.pull_registry == "ghcr.io"
    assert environment.host_registry_port is None


def test_a_registry_on_the_server_has_a_port_there_and_no_login(toml):
    data = toml(push_registry="host")
    del data["pull_registry"]
    environment = parse_environment("prod", data, "prod.toml")
    assert environment.pull_registry == "localhost:5000"
    assert environment.host_registry_port == 5000
    data["pull_registry"] = "localhost:5001"
    assert parse_environment("prod", data, "prod.toml").host_registry_port == 5001
    data["pull_registry"] = "ghcr.io"
    assert 'needs a pull_registry such as "localhost:5000"' in _refused(data).what
    login = toml(push_registry="host", pull_registry="localhost:5000")
    login["login"] = {"user": "A", "token": "B"}
    assert "needs neither login" in _refused(login).what
