"""What the gateway's log proves."""

from __future__ import annotations

import json

import pytest

from deployments.history.gateway_log import GatewayEntry, approver, creator, read_entries

CREATE = "/api/deployments/d1/create_flow_run"


def line(at: float, account: str, path: str, *, method: str = "POST", status: int = 201) -> str:
    """One line as Caddy writes it."""
    request = {"method": method, "uri": path, "host": "prefect.example.org"}
    return json.dumps({"ts": at, "user_id": account, "request": request, "status": status})


def test_lines_that_are_none_are_left_out() -> None:
    good = line(1, "anna", CREATE)
    lines = ["", "{", "[]", '{"ts": 1}', good[:40], good, line(1, "", CREATE)]
    lines += [line(1, "anna", CREATE, status=403), line(2, "boris", "/api/x?y=1", method="GET")]
    assert read_entries(lines) == [
        GatewayEntry(1, "anna", "POST", CREATE, 201), GatewayEntry(2, "boris", "GET", "/api/x", 201)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "account"),
    [
        ({"X-Homeguru-Account": ["trigger"]}, "trigger"),
        # What the server added does not count.
        ({"X-Homeguru-Account": ["trigger", "anna"]}, "trigger"),
        # A gateway of an earlier version; a person's account that ends so is no second login.
        ({}, "trigger-2"), (None, "trigger-2"), ({"X-Homeguru-Account": []}, "trigger-2"),
        ({"X-Homeguru-Account": ["trigger-2"]}, "trigger-2"),
    ],
)  # fmt: skip
def test_the_account_is_named_and_not_its_login(answered, account) -> None:
    row = {**json.loads(line(1, "trigger-2", CREATE)), "resp_headers": answered}
    assert [e.account for e in read_entries([json.dumps(row)])] == [account]


def test_who_did_not_log_in_is_nobody() -> None:
    row = {**json.loads(line(1, "", CREATE)), "resp_headers": {"X-Homeguru-Account": [""]}}
    assert read_entries([json.dumps(row), json.dumps({**row, "resp_headers": "x"})]) == []


@pytest.mark.parametrize(
    ("requests", "proven"),
    [
        ([(100.0, "anna", CREATE)], "anna"),
        ([(101.9, "anna", CREATE)], "anna"),
        ([(102.1, "anna", CREATE)], ""),  # too far
        ([(100.0, "anna", CREATE), (101.0, "boris", CREATE)], ""),  # which of the two?
        ([(100.0, "anna", CREATE), (100.5, "anna", CREATE)], ""),  # two presses of one person
        ([(100.0, "anna", "/api/deployments/d2/create_flow_run")], ""),
        ([], ""),
    ],
)
def test_a_creation_is_proven_by_one_request_nearby(requests, proven) -> None:
    entries = read_entries(line(*request) for request in requests)
    assert creator(entries, "d1", 100.0) == proven


def test_only_a_post_creates() -> None:
    entries = read_entries([line(100, "anna", CREATE, method="GET")])
    assert creator(entries, "d1", 100.0) == ""


def test_who_resumed_a_run_approved_it() -> None:
    entries = read_entries([
        line(1, "anna", "/api/flow_runs/r1/resume"), line(2, "boris", "/api/flow_runs/r2/resume"),
        line(3, "carl", "/api/flow_runs/r1/set_state"),
    ])  # fmt: skip
    assert (approver(entries, "r1"), approver(entries, "r3")) == ("anna", "")


def test_who_came_after_the_one_who_resumed_did_not() -> None:
    """Prefect answers 200 and ABORT to a run that is not paused any more."""
    entries = read_entries([
        line(1, "anna", "/api/flow_runs/r1/resume"),
        line(2, "boris", "/api/flow_runs/r1/resume", status=200),
    ])  # fmt: skip
    assert approver(entries, "r1") == "anna"


def test_an_id_is_no_pattern() -> None:
    entries = read_entries([line(1, "anna", "/api/flow_runs/r1/resume")])
    assert approver(entries, ".*") == ""
