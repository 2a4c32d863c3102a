"""What each account may ask of the real gateway, and what it answers instead."""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from deployments.compose.variables import block_name

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]

ID = "00000000-0000-0000-0000-000000000000"
RUN = f"/api/flow_runs/{ID}"
NAMED = "/api/block_types/slug/secret/block_documents/name"
CANCEL = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
OURS = {"name": "homeguru-sandbox-x", "data": {"value": "v"}}

MAY = [
    ("trigger", "GET", "/api/deployments/name/deploy/deploy", None),
    ("trigger", "GET", RUN, None),
    ("trigger", "POST", "/api/flow_runs/filter", {}),
    ("trigger", "POST", "/api/logs/filter", {}),
    ("trigger", "POST", f"/api/deployments/{ID}/create_flow_run", {"parameters": {}}),
    ("trigger", "POST", f"{RUN}/set_state", CANCEL),
    ("reporter", "POST", "/api/flows/", {"name": "publish"}),
    ("reporter", "POST", "/api/logs/", []),
    ("secrets", "GET", f"{NAMED}/homeguru-sandbox-nothing", None),
    ("demo", "GET", "/api/work_pools/homeguru", None),
    ("", "GET", "/api/health", None),
]
MAY_NOT = [
    # Blocks, by every door.
    ("trigger", "GET", f"{NAMED}/homeguru-sandbox-jwt-secret-key?include_secrets=true", None),
    ("trigger", "POST", "/api/block_documents/filter", {"include_secrets": True}),
    ("reporter", "GET", f"{NAMED}/homeguru-sandbox-jwt-secret-key", None),
    ("reporter", "POST", "/api/block_documents/filter", {}),
    ("secrets", "GET", f"{NAMED}/homeguru-sandbox-jwt-secret-key?include_secrets=true", None),
    ("secrets", "GET", f"{NAMED}/homeguru-sandbox-jwt-secret-key?", None),
    ("secrets", "GET", f"{NAMED}/somebody-else", None),
    ("secrets", "GET", f"/api/block_documents/{ID}?include_secrets=true", None),
    ("secrets", "GET", f"/api/block_documents/{ID}", None),
    ("secrets", "POST", "/api/block_documents/filter", {"include_secrets": True}),
    ("secrets", "POST", "/api/block_documents/", {**OURS, "name": "somebody-else"}),
    ("secrets", "POST", "/api/block_documents/", {**OURS, "block_type_id": ID}),
    ("secrets", "PATCH", f"/api/block_documents/{ID}", {"data": {"value": "v"}}),
    ("secrets", "DELETE", f"/api/block_documents/{ID}", None),
    # A run's end, its place and its environment are not for who presses the button.
    ("trigger", "POST", f"{RUN}/set_state", {"state": {"type": "COMPLETED"}}),
    ("trigger", "POST", f"{RUN}/set_state", {**CANCEL, "force": True}),
    ("trigger", "POST", f"{RUN}/resume", {}),
    ("trigger", "POST", f"{RUN}/input", {}),
    ("trigger", "POST", f"/api/deployments/{ID}/create_flow_run", {"job_variables": {"env": {}}}),
    ("trigger", "POST", f"/api/deployments/{ID}/create_flow_run", {"state": {"type": "RUNNING"}}),
    (
        "trigger",
        "POST",
        f"/api/deployments/{ID}/create_flow_run",
        {"enforce_parameter_schema": False},
    ),
    ("trigger", "POST", f"/api/deployments/{ID}/create_flow_run", {"context": {}}),
    ("trigger", "POST", f"/api/deployments/{ID}/create_flow_run", {"tags": ["heal"]}),
    ("trigger", "PATCH", f"/api/deployments/{ID}", {"job_variables": {}}),
    ("trigger", "PATCH", "/api/work_pools/homeguru-docker", {"base_job_template": {}}),
    ("trigger", "POST", "/api/flow_runs/", {}),
    # Who reports does not press.
    ("reporter", "POST", f"/api/deployments/{ID}/create_flow_run", {"parameters": {}}),
    ("reporter", "POST", "/api/flow_runs/", {"flow_id": ID, "deployment_id": ID}),
    ("reporter", "POST", "/api/flow_runs/", {"flow_id": ID, "work_pool_name": "homeguru"}),
    ("reporter", "POST", f"{RUN}/set_state", {"state": {"type": "COMPLETED"}}),
    ("reporter", "PATCH", RUN, {"name": "publish HEAD"}),
    ("reporter", "POST", "/api/v2/concurrency_limits/decrement", {"names": ["env-x"], "slots": 1}),
    ("reporter", "PATCH", RUN, {"job_variables": {"command": "sh"}}),
    ("reporter", "PATCH", RUN, {"parameters": {"environment": "production"}}),
    ("reporter", "POST", f"{RUN}/set_state", {"state": {"type": "SCHEDULED"}}),
    ("reporter", "POST", f"{RUN}/resume", {}),
    ("secrets", "POST", "/api/flow_runs/filter", {}),
    # Not as it is written, and not in other letters.
    ("trigger", "GET", "/api/deployments/../block_documents/filter", None),
    ("trigger", "GET", f"/api/flow_runs/{ID}/../../block_types/filter", None),
    ("trigger", "GET", "/api//flow_runs/" + ID, None),
    ("trigger", "POST", "/api/flow%5Fruns/filter", {}),
    ("trigger", "POST", "/api/flow_runs/filter/", {}),
    ("trigger", "POST", "/API/flow_runs/filter", {}),
    ("trigger", "GET", f"/api/flow_runs/{ID}%2f..%2f..%2fblock_types", None),
    ("trigger", "POST", "/api/flow_runs/filter?x=1", {}),
    ("trigger", "GET", "/", None),
]
BODIES = {
    "escaped": b'{"job\\u005fvariables": {"env": {"A": "b"}}}',
    "escaped in capitals": b'{"job\\u005Fvariables": {}}',
    "utf-16": '{"job_variables": {}}'.encode("utf-16"),
    "utf-16, no mark": '{"job_variables": {}}'.encode("utf-16-le"),
    "utf-16, the other end first": '{"job_variables": {}}'.encode("utf-16-be"),
    "utf-8 with a mark": b'\xef\xbb\xbf{"job_variables": {}}',
    "after a line": b'\n{"job_variables": {}}',
}
Ask = Callable[..., tuple[int, Any]]


def gateway(control) -> http.client.HTTPSConnection:
    settings = control.demo.plane.settings
    trust = ssl.create_default_context(cafile=str(control.demo.state / "control-plane" / "ca.crt"))
    return http.client.HTTPSConnection(settings.address, settings.https, context=trust)


@pytest.fixture(scope="module")
def ask(control) -> Ask:
    """One request, sent letter for letter; status and answer."""
    passwords = {n: control.demo.password(n) for n in ("trigger", "reporter", "secrets", "demo")}

    def send(account: str, method: str, target: str, body: Any = None, **more: str) -> tuple:
        link = gateway(control)
        headers = {"Content-Type": "application/json", **more}
        if account:
            pair = f"{account}:{passwords[account]}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        link.request(method, target, data, headers)
        answer = link.getresponse()
        text = answer.read().decode(errors="replace")
        link.close()
        return answer.status, text

    return send


def test_what_an_account_may(ask: Ask) -> None:
    refused = [(*case, found) for case in MAY if (found := ask(*case))[0] in (401, 403)]
    assert refused == []


def test_what_it_may_not(ask: Ask) -> None:
    let_in = [(*case, found) for case in MAY_NOT if (found := ask(*case))[0] != 403]
    assert let_in == []


def _id(found: tuple[int, Any]) -> str:
    assert found[0] in (200, 201), found
    return str(json.loads(found[1])["id"])


def test_a_reporter_changes_the_runs_that_it_made_and_no_others(ask: Ask, control) -> None:
    flow = _id(ask("reporter", "POST", "/api/flows/", {"name": "publish"}))
    own = _id(ask("reporter", "POST", "/api/flow_runs/", {"flow_id": flow, "state": None}))
    with control.api("demo") as api:
        other = api.post("/flow_runs/", {"flow_id": flow, "tags": ["by:demo"]})["id"]
    done, log = {"state": {"type": "COMPLETED"}}, {"level": 20, "message": "x", "name": "x"}
    stamp = {"timestamp": "2030-01-01T00:00:00Z"}
    changes = [
        ("POST", "/api/flow_runs/{}/set_state", done), ("PATCH", "/api/flow_runs/{}", {"name": "x"}),
        ("POST", "/api/logs/", [{**log, **stamp, "flow_run_id": "{}"}]),
        ("POST", "/api/artifacts/", {"key": "result", "type": "markdown", "data": "x", "flow_run_id": "{}"}),
    ]  # fmt: skip
    for run, allowed in ((own, True), (other, False)):
        for method, path, body in changes:
            sent = json.loads(json.dumps(body).replace("{}", run))
            status, text = ask("reporter", method, path.replace("{}", run), sent)
            assert (status != 403) is allowed, (method, path, status, text)
            assert not allowed or status < 300, (method, path, status, text)
    with control.api("demo") as api:
        assert api.get(f"/flow_runs/{other}")["state"]["type"] == "PENDING"
        assert api.get(f"/flow_runs/{own}")["state"]["type"] == "COMPLETED"


def test_who_writes_secrets_writes_ours_and_no_others(ask: Ask, control) -> None:
    with control.api("demo") as api:
        kinds = {k: api.get(f"/block_types/slug/{k}")["id"] for k in ("secret", "slack-webhook")}
        schemas = {
            k: api.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [i]}}})[0]["id"]
            for k, i in kinds.items()
        }  # fmt: skip
        kind = {"block_type_id": kinds["secret"], "block_schema_id": schemas["secret"]}
        foreign = api.post(
            "/block_documents/", {"name": "else", "data": {"value": "kept"}, **kind}
        )["id"]
    ours = _id(ask("secrets", "POST", "/api/block_documents/", {**OURS, **kind}))
    value = {"data": {"value": "other"}}
    assert ask("secrets", "PATCH", f"/api/block_documents/{ours}", value)[0] in (200, 204)
    assert ask("secrets", "PATCH", f"/api/block_documents/{foreign}", value)[0] == 403
    with control.api("demo") as api:
        kept = api.get(f"/block_documents/{foreign}", include_secrets="true")
        assert kept["data"]["value"] == "kept"


def test_nobody_sees_anything_but_the_health(ask: Ask) -> None:
    closed = ["/", "/api/admin/version", "/api/flow_runs/filter", "/docs", "/api/health/", "/api/ready",
              "/api//health", "/api/health?x=1", "/api/HEALTH", "/api/events/in"]  # fmt: skip
    assert {path: ask("", "GET", path)[0] for path in closed} == dict.fromkeys(closed, 401)
    assert ask("", "POST", "/api/health", {})[0] == 401


def test_whatever_is_answered_says_what_a_page_may_do_and_not_who_answers(control) -> None:
    """The browser's tests run under this policy, tests/e2e/browser."""
    pair = b64encode(f"demo:{control.demo.password('demo')}".encode()).decode()
    settings = control.demo.plane.settings
    known = "/api/admin/version"
    for path, account, status in ((known, pair, 200), ("/", "", 401), ("/api/health", "", 200)):
        link = gateway(control)
        link.request("GET", path, headers={"Authorization": f"Basic {account}"} if account else {})
        answer = link.getresponse()
        assert answer.status == status, path
        found = {name.lower(): value for name, value in answer.getheaders()}
        link.close()
        # Without it a browser asks for no password.
        assert found.get("www-authenticate", "").startswith("Basic") is (status == 401)
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "same-origin"
        directives = found["content-security-policy"].split("; ")
        assert {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*directives}
        here = f"{settings.address}:{settings.https}"
        assert f"connect-src 'self' wss://{here}" in directives
        assert "'unsafe-inline'" not in next(d for d in directives if d.startswith("script-src "))
        assert found.keys().isdisjoint({"server", "via", "x-powered-by"})


@pytest.mark.parametrize("name", BODIES)
def test_a_body_cannot_hide_what_it_says(ask: Ask, control, name: str) -> None:
    with control.api("trigger") as api:
        deployment = api.get("/deployments/name/verify/verify")["id"]
    found = ask("trigger", "POST", f"/api/deployments/{deployment}/create_flow_run", BODIES[name])
    assert found[0] == 403


def test_another_site_cannot_use_a_persons_password(ask: Ask) -> None:
    found = ask("demo", "POST", "/api/flow_runs/filter", {}, **{"Sec-Fetch-Site": "cross-site"})
    assert found[0] == 403


def test_who_writes_secrets_sees_stars(ask: Ask, control) -> None:
    status, text = ask("secrets", "GET", f"{NAMED}/{block_name('sandbox', 'JWT_SECRET_KEY')}")
    assert status == 200
    assert set(json.loads(text)["data"]["value"]) == {"*"}


def test_passwords_are_no_part_of_the_log(control) -> None:
    shown = control.demo.plane.docker.text(
        "exec", control.container("gateway"), "cat", "/var/log/homeguru/gateway/access.log"
    )
    assert '"user_id":"trigger"' in shown
    passwords = [control.demo.password(n) for n in ("trigger", "secrets")]
    hidden = [*passwords, *(b64encode(f"trigger:{p}".encode()).decode() for p in passwords[:1])]
    assert [text for text in hidden if text in shown] == []
