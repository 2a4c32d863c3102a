"""What a host answers, and how it is read."""

from __future__ import annotations

import base64
import json

import pytest

from deployments.errors import StepFailed
from deployments.history import journal
from deployments.host.candidate import read_candidate
from deployments.host.observation import read_observation, sections, with_database


def _section(name, text):
    return f"{name} {base64.b64encode(text.encode()).decode()}\n"


def _answer(**parts):
    return "".join(_section(name, text) for name, text in parts.items())


DIGEST = "sha256:" + "a" * 64
UNDONE = "my app_undone_1a2b3c4d5e6f"


def _database(size, aside=(), undone=(), tables=0):
    """PostgreSQL's own line, before the rows of the application's table."""
    return (
        json.dumps({"bytes": size, "tables": tables, "aside": [*aside], "undone": [*undone]}) + "\n"
    )


def _row(**changes):
    row = {
        "id": "c1", "name": "/homeguru-api-1", "image": "sha256:i1", "ref": f"reg/api@{DIGEST}",
        "state": "running", "health": "healthy", "restarts": 2, "started": "2030-01-01T00:00:00Z",
        "labels": {"com.docker.compose.service": "api", "com.docker.compose.config-hash": "h",
                   "com.docker.compose.oneoff": "False"},
    }  # fmt: skip
    return json.dumps({**row, **changes})


def _images(*digests, image="sha256:i1"):
    return json.dumps({"id": image, "digests": list(digests)})


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("", {}),
        (_section("facts", "a=b"), {"facts": "a=b"}),
        (_section("env", ""), {"env": ""}),
        (_section("journal:cli-1A.b", "x"), {"journal:cli-1A.b": "x"}),
        (_section(".env", "x"), {".env": "x"}),
        (_section("releases/3-prod-sha-0a/manifest.json", "x"),
         {"releases/3-prod-sha-0a/manifest.json": "x"}),
        ("Welcome to the server!\n" + _section("env", "x"), {"env": "x"}),
        ("hello world\nlast login\n" + _section("env", "x"), {"env": "x"}),
        (_section("env", "a\nfacts ZZZZ\n"), {"env": "a\nfacts ZZZZ\n"}),
    ],
)  # fmt: skip
def test_sections(output, found):
    assert sections(output) == found


def test_bytes_that_are_no_text_do_not_stop_the_reading():
    assert sections("env " + base64.b64encode(b"\xff").decode()) == {"env": "\ufffd"}


def test_facts_of_a_host():
    seen = read_observation(
        _answer(
            facts="writable=yes\nlocked=yes\ndisk_kb=2048000\nmemory_kb=1024\n"
            "engine=27.1.0 a=b\ncompose=v2.29.1\n",
            listening="1F43\n0016\n",
            published="homeguru-edge-1 0.0.0.0:8003->8003/tcp, :::8003->8003/tcp, 9000/tcp\nx \n"
            "proxy 0.0.0.0:8080-8081->8080-8081/tcp\n",
            database=_database(73400320, ["aside_0a1b2c3d4e5f", "drill", "a\x1b[2J"], [UNDONE])
            + "0002\n",
            current="3-prod-sha-0123456789ab\n",
        )
    )
    assert (seen.writable, seen.locked) == (True, True)
    assert (seen.disk_mb, seen.memory_mb) == (2000, 1)
    assert (seen.engine, seen.compose) == ("27.1.0 a=b", "2.29.1")
    assert seen.listening == {8003, 22}
    assert seen.published == {8003: "homeguru-edge-1", 8080: "proxy", 8081: "proxy"}
    assert (seen.revision, seen.current) == ("0002", "3-prod-sha-0123456789ab")
    assert (seen.database_bytes, seen.aside) == (73400320, ("aside_0a1b2c3d4e5f", "drill"))
    assert seen.database_major == ""
    assert seen.undone == (UNDONE,)


def test_an_empty_answer_is_an_empty_host():
    seen = read_observation("")
    assert (seen.writable, seen.disk_mb, seen.engine, seen.compose) == (False, 0, "", "")
    assert (seen.containers, seen.revision, seen.current, seen.ledger.raw) == ((), None, None, ())


def test_a_database_that_has_no_revision_yet():
    seen = read_observation(_answer(database=_database(8000000)))
    assert (seen.revision, seen.database_bytes) == (None, 8000000)


def test_several_revisions_at_once():
    rows = "0003\n0002\n"
    assert read_observation(_answer(database=_database(1) + rows)).revision == "0002,0003"


@pytest.mark.parametrize("row", ["@bytes 9", '{"bytes": 9}', "00 02", "a,b", "\x1b[2J", "x" * 201])
def test_what_the_application_writes_into_its_table_is_no_fact_of_the_server(row):
    with pytest.raises(StepFailed, match="reads like none"):
        read_observation(_answer(database=_database(1) + f"0002\n{row}\n"))


def test_a_container():
    [found] = read_observation(
        _answer(containers=_row(), images=_images(f"reg/api@{DIGEST}"))
    ).containers
    assert (found.name, found.service, found.one_off) == ("homeguru-api-1", "api", False)
    assert (found.restarts, found.config_hash, found.digest) == (2, "h", DIGEST)
    assert found.serving


@pytest.mark.parametrize(
    ("ref", "digests", "expected"),
    [
        (f"reg/api@{DIGEST}", [f"reg/api@{DIGEST}"], DIGEST),
        (f"reg/api@{DIGEST}", ["other/api@sha256:bb", f"reg/api@{DIGEST}"], DIGEST),
        (f"reg/api@{DIGEST}", ["reg/api@sha256:bb"], "sha256:bb"),
        ("api:latest", ["reg/api@sha256:bb"], "sha256:bb"),
        ("api:latest", [], "sha256:i1"),
    ],
)
def test_the_digest_that_a_container_runs(ref, digests, expected):
    answer = _answer(containers=_row(ref=ref), images=_images(*digests))
    assert read_observation(answer).containers[0].digest == expected


def test_an_image_without_digests_is_known_by_its_id():
    answer = _answer(containers=_row(), images=json.dumps({"id": "sha256:i1", "digests": None}))
    (container,) = read_observation(answer).containers
    assert container.digest == "sha256:i1"
    assert container.runs("sha256:i1") and not container.runs("sha256:i2")


@pytest.mark.parametrize(
    ("state", "health", "serving"),
    [
        ("running", "healthy", True),
        ("running", "", True),
        ("running", "starting", False),
        ("running", "unhealthy", False),
        ("restarting", "", False),
        ("exited", "healthy", False),
    ],
)
def test_whether_a_container_serves(state, health, serving):
    answer = _answer(containers=_row(state=state, health=health))
    assert read_observation(answer).containers[0].serving is serving


def test_one_off_containers_are_no_part_of_a_service():
    labels = {"com.docker.compose.service": "migrate", "com.docker.compose.oneoff": "True"}
    seen = read_observation(_answer(containers=_row(labels=labels)))
    assert seen.of("migrate") == []
    assert seen.containers[0].one_off


def test_the_ledger_is_split_at_line_feeds_alone(world):
    lines = world.ledger(world.line(1, who="a\u2028b\x85c"), world.line(2)).raw
    seen = read_observation(_answer(ledger="\n".join(lines) + "\n"))
    assert seen.ledger.raw == lines
    assert seen.ledger.broken_at() is None


def test_unfinished_runs_are_the_oldest_first():
    def begun(at):
        return journal.run_line("1-x", "begin", "t").replace(journal.AT, at) + "\n"

    ended = begun("2030-01-01") + journal.run_line("1-x", "end", "t", "ok")
    answer = (
        _section("journal:late", begun("2030-01-03"))
        + _section("journal:early", begun("2030-01-02"))
        + _section("journal:ended", ended)
    )
    assert [u.run for u in read_observation(answer).unfinished] == ["early", "late"]


def test_a_candidate():
    found = read_candidate(
        _answer(hashes="api 11\nbot 22\n", secrets_now="A 1\n", secrets_then="A 2\nB 3\n")
    )
    assert found.hashes == {"api": "11", "bot": "22"}
    assert found.secrets_now == {"A": "1"}
    assert found.secrets_then == {"A": "2", "B": "3"}


def test_what_a_container_was_made_from_is_what_the_host_noted():
    found = read_observation(_answer(containers=_row(), made="c0 other\nc1 noted\ncut-off\n"))
    assert [c.config_hash for c in found.containers] == ["noted"]
    unknown = read_observation(_answer(containers=_row(), made="c0 other\n"))
    assert [c.config_hash for c in unknown.containers] == ["h"]


@pytest.mark.parametrize(
    ("version", "major"), [("160004", "16"), (170002, "17"), (None, ""), ("", ""), ("16.4", "")]
)
def test_the_major_version_of_its_database(version, major):
    row = {"bytes": 9, "tables": 1, "aside": [], "undone": [], "version": version}
    seen = with_database(read_observation(_section("facts", "engine=26")), json.dumps(row))
    assert seen.database_major == major
