"""Where code may come from."""

from __future__ import annotations

import pytest

from deployments.environment.sources import allowed, is_url, ssh_host
from deployments.errors import Refused, WrongUse

NAMED = ("https://github.com/systech/homeguru.git", "git@git.example.org:o/r.git", "/srv/app")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
SSH = {"source_key_file": "id", "source_host_keys": [KEY]}


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (NAMED[0], NAMED[0]), ("https://github.com/systech/homeguru", NAMED[0]),
        ("https://github.com/systech/homeguru/", NAMED[0]), (NAMED[1], NAMED[1]),
        ("/srv/app", "/srv/app"), ("/srv/app/", "/srv/app"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pressed", [True, False])
def test_what_the_environment_names_is_taken_in_its_own_spelling(asked, taken, pressed):
    assert allowed(asked, NAMED, pressed=pressed, environment="prod") == taken


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example/x.git", "https://github.com/systech/homeguru.git.evil",
        "https://github.com@evil.example/systech/homeguru.git", "https://GITHUB.com/systech/homeguru",
        "http://github.com/systech/homeguru.git", "ext::sh -c id", "file:///etc", "/etc", "/", ".",
        "/srv/app/../../etc", "", "--upload-pack=id",
    ],
)  # fmt: skip
def test_a_button_cannot_choose_another_source(asked):
    for named in (NAMED, ()):
        with pytest.raises(Refused, match="environment prod does not name ") as caught:
            allowed(asked, named, pressed=True, environment="prod")
        assert caught.value.state == "untouched"


def test_who_sits_there_may_take_a_folder_always():
    for named in (NAMED, ()):
        assert allowed("/home/me/app", named, pressed=False, environment="prod") == "/home/me/app"


def test_who_sits_there_may_take_an_address_only_while_none_is_named():
    url = "https://github.com/other/fork.git"
    assert allowed(url, (), pressed=False, environment="prod") == url
    with pytest.raises(Refused, match="does not name"):
        allowed(url, NAMED, pressed=False, environment="prod")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h/o/r.git", "anybody on the way could change the code"),
        ("git://h/o/r.git", "anybody on the way could change the code"),
        ("git@h:o/r.git", "nothing says which key h has"),
        ("ssh://git@h:2222/o/r", r"nothing says which key \[h\]:2222 has"),
    ],
)  # fmt: skip
def test_code_travels_safely_or_not_at_all(url, said):
    with pytest.raises(Refused, match=said):
        allowed(url, (), pressed=False, environment="prod")


@pytest.mark.parametrize(
    "source",
    ["http://h/o/r.git", "git://h/o/r", "https://u:p@h/o/r", "https://t@h/o/r", "https://h", "ext::sh",
     "https://h/o/r?x=1", "https://h/../r", "-x@h:o/r", "git@-oProxyCommand=id:o/r", "folder", "../x",
     "ssh://h/o/r", "https://h/o r"],
)  # fmt: skip
def test_an_environment_names_no_such_source(make_environment, source):
    with pytest.raises(WrongUse, match=r"`sources\.0`: a source reads"):
        make_environment(sources=[source], **SSH)


def test_an_environments_sources(make_environment):
    found = make_environment(sources=list(NAMED), source_token="SOURCE_TOKEN", **SSH)
    assert found.sources == NAMED
    assert "SOURCE_TOKEN" in found.secret_names


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source_token": "T"}, "source_token needs an https:// address in sources"),
        ({"source_token": "T", "sources": ["/srv/app"]}, "source_token needs an https:// address"),
        ({"sources": [NAMED[1]]}, "needs source_key_file and source_host_keys"),
        ({"sources": [NAMED[1]], "source_key_file": "id"}, "needs source_key_file and source_host_k"),
    ],
)  # fmt: skip
def test_sources_that_could_not_be_fetched(make_environment, changes, said):
    with pytest.raises(WrongUse, match=said):
        make_environment(**changes)


@pytest.mark.parametrize(
    ("source", "host"),
    [("git@h.example:o/r", "h.example"), ("ssh://git@h/o/r", "h"), ("ssh://git@h:22/o/r", "h"),
     ("ssh://git@h:2222/o/r", "[h]:2222")],
)  # fmt: skip
def test_the_name_of_a_known_host(source, host):
    assert ssh_host(source) == host
    assert is_url(source)
