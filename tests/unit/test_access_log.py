"""The edge's health checks among the lines of an access log."""

from __future__ import annotations

import pytest

from deployments.host.access_log import EdgeChecks
from deployments.host.log_lines import last_of_each, note_of_more, note_of_unsearched

CHECKS = EdgeChecks({"api": "/health", "page": "/"})
AT = "2030-01-31T12:00:00.123456789Z"
UVICORN = f'api-1  | {AT} INFO:     172.18.0.6:37724 - "GET /health HTTP/1.1" 200 OK'
COMBINED = f'{AT} 10.0.3.4 - - [31/Jan/2030:12:00:00 +0000] "GET / HTTP/1.1" 200 612 "-" "-"'


@pytest.mark.parametrize(
    "line",
    [
        UVICORN, UVICORN.replace("200 OK", "307 Temporary Redirect"),
        UVICORN.replace("api-1 ", "api-12"), UVICORN.replace("172.18.0.6", "192.168.16.6"),
        f"page-2  | {COMBINED}",
    ],
)  # fmt: skip
def test_a_check_of_the_edge(line):
    assert CHECKS.owns(line)


@pytest.mark.parametrize(
    "line",
    [
        UVICORN.replace("200 OK", "503 Service Unavailable"),
        UVICORN.replace("/health", "/health/deep"), UVICORN.replace("/health", "/users"),
        UVICORN.replace("GET", "POST"),
        # Somebody outside, whom the service knows by a proxy header; and its own health check.
        UVICORN.replace("172.18.0.6", "203.0.113.9"), UVICORN.replace("172.18.0.6", "127.0.0.1"),
        UVICORN.replace("172.18.0.6", "172.32.0.6"),
        UVICORN.replace("api-1", "bot-1"), UVICORN.partition("| ")[2], "api-1  | ", "",
        # A person opens the page through the edge.
        f"page-1  | {COMBINED}".replace('"-" "-"', '"-" "Mozilla/5.0"'),
        f'page-1  | {AT} 172.18.0.6 - "GET / HTTP/1.1" 200',
    ],
)  # fmt: skip
def test_what_is_for_people(line):
    assert not CHECKS.owns(line)


def test_the_last_lines_of_each_container_are_counted_without_the_checks():
    words = [f"api-1  | {AT} work {n}" for n in range(5)]
    other = [f"api-2  | {AT} work {n}" for n in range(2)]
    lines = [line for word in words for line in (word, UVICORN, UVICORN)] + other
    matching = [line for line in lines if not CHECKS.owns(line)]
    assert last_of_each(matching, 3) == [*words[2:], *other]
    assert last_of_each(lines, 1) == [UVICORN, other[-1]]


def test_containers_of_which_there_may_be_more_are_named():
    lines = [
        *["api-1  | x"] * 3,
        *["bot-1  | y"] * 2,
        "time=x level=warning",
        "time=x level=warning",
    ]
    assert note_of_more(lines, 4) == ""
    assert note_of_more(lines, 2).startswith("of api-1, bot-1 no more than the last 2 lines")
    assert note_of_more(lines[-2:], 1) == ""
    found = lines[2:]
    assert note_of_unsearched(lines, found, 4, 100) == ""
    assert note_of_unsearched(lines, found, 3, 1) == ""
    said = note_of_unsearched(lines * 5000, found, 15_000, 2)
    assert said.startswith("of api-1 only the last 15,000 lines were searched; --since 24h")
