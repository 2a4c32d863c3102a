"""The guard between gateway and server: what each account may send, and about whose run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from deployments.environment.digest import digests, encoded
from infra.control.guard import ACCOUNT, Guard
from infra.control.rules import MARK, NotAllowed, Rules

OWN, OTHER, GONE = (f"{n}2345678-0000-4000-8000-0123456789ab" for n in (1, 2, 3))
SECRET, FOREIGN, ANOTHER_TYPE = (f"{n}2345678-0000-4000-8000-0123456789ab" for n in (4, 5, 6))
KIND = "72345678-0000-4000-8000-0123456789ab"
SERVER: dict[str, Any] = {
    f"/flow_runs/{OWN}": {"tags": ["x", MARK]},
    f"/flow_runs/{OTHER}": {"tags": ["by:ada"]},
    f"/task_runs/{OWN}": {"flow_run_id": OWN},
    f"/task_runs/{OTHER}": {"flow_run_id": OTHER},
    "/block_types/slug/secret": {"id": KIND},
    f"/block_documents/{SECRET}": {"name": "homeguru-prod-x", "block_type": {"slug": "secret"}},
    f"/block_documents/{FOREIGN}": {"name": "else", "block_type": {"slug": "secret"}},
    f"/block_documents/{ANOTHER_TYPE}": {
        "name": "homeguru-prod-x",
        "block_type": {"slug": "slack"},
    },
}
CREATE = ("trigger", "POST", f"/api/deployments/{OWN}/create_flow_run")
CANCEL = ("trigger", "POST", f"/api/flow_runs/{OTHER}/set_state")
REPORT = ("reporter", "POST", "/api/flow_runs/")
PATCH, PATCH_OTHER = (("reporter", "PATCH", f"/api/flow_runs/{r}") for r in (OWN, OTHER))
STATE, STATE_OTHER = (("reporter", "POST", f"/api/flow_runs/{r}/set_state") for r in (OWN, OTHER))
TASK = ("reporter", "POST", "/api/task_runs/")
TASK_STATE, TASK_STATE_OTHER, TASK_STATE_GONE = (
    ("reporter", "POST", f"/api/task_runs/{t}/set_state") for t in (OWN, OTHER, GONE)
)
LOGS, ARTIFACT = ("reporter", "POST", "/api/logs/"), ("reporter", "POST", "/api/artifacts/")
SECRET_NEW = ("secrets", "POST", "/api/block_documents/")
OURS = {"name": "homeguru-prod-token", "data": {"value": "v"}, "block_type_id": KIND}
RUNNING = {"state": {"type": "RUNNING"}}


def changed(which: str) -> tuple[str, str, str]:
    return ("secrets", "PATCH", f"/api/block_documents/{which}")


async def find(path: str) -> Any:
    return SERVER.get(path)


def checked(request: tuple[str, str, str], body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(asyncio.run(Rules(find).checked(*request, data)))


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (CREATE, {"parameters": {"environment": "production"}, "tags": [], "idempotency_key": None}),
        (CREATE, {"parameters": {"release": 'a "state" \\ job_variables', "allow": True}}),
        (CREATE, {"tags": ["by:ada@laptop", "from:actions", "0123456789ab"], "idempotency_key": "k"}),
        (CREATE, {}),
        (CANCEL, {"state": {"type": "CANCELLING", "name": "Cancelling", "message": "x"}}),
        (PATCH, {"name": "publish HEAD"}), (PATCH, {"empirical_policy": {"retries": 0}}),
        (STATE, RUNNING), (STATE, {**RUNNING, "force": False}),
        (TASK, {"flow_run_id": OWN, "task_key": "x"}), (TASK, {"flow_run_id": OWN, "id": GONE}),
        (TASK_STATE, RUNNING),
        (LOGS, []), (LOGS, [{"flow_run_id": OWN, "message": "x"}]),
        (LOGS, [{"flow_run_id": OWN, "task_run_id": GONE}]),
        (ARTIFACT, {"key": "plan", "flow_run_id": OWN, "task_run_id": OWN, "data": "x"}),
        (SECRET_NEW, OURS), (changed(SECRET), {"data": {"value": "v"}}),
    ],
)  # fmt: skip
def test_what_passes_passes_as_it_is(request_, body) -> None:
    assert checked(request_, body) == body


def test_a_press_may_say_what_the_environment_is_for_the_asker(located) -> None:
    """Every press of a machine account was refused: that text is longer than any other."""
    configs = {f"folder/file-{n}.conf": "x" for n in range(100)}
    found = encoded(digests(located().environment, "services: {}\n", configs))
    assert len(encoded(digests(located().environment, ""))) > 1000
    body = {"parameters": {"environment": "prod", "configuration": found}}
    assert checked(CREATE, body) == body


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        # trigger: nothing but what the form has.
        *[(CREATE, {key: value}) for key, value in (
            ("job_variables", {}), ("state", {"type": "RUNNING"}), ("work_queue_name", "x"),
            ("parent_task_run_id", OWN), ("enforce_parameter_schema", False), ("context", {}),
            ("empirical_policy", {"retries": 5}), ("labels", {}), ("name", "x"),
            ("infrastructure_document_id", OWN),
        )],
        (CREATE, {"parameters": {"by": {"a": 1}}}), (CREATE, {"parameters": {"by": ["x"]}}),
        (CREATE, {"parameters": {"by": "a\x1b[2J"}}), (CREATE, {"parameters": {"by": "x" * 1001}}),
        (CREATE, {"parameters": {"configuration": "x" * 20_001}}),
        (CREATE, {"parameters": []}), (CREATE, {"tags": ["heal"]}), (CREATE, {"tags": [MARK]}),
        (CREATE, {"tags": "by:x"}), (CREATE, {"idempotency_key": {}}), (CREATE, []),
        (CREATE, b""), (CREATE, b'{"parameters": {}, "parameters": {}}'), (CREATE, b"{\xff}"),
        (CREATE, '{"job_variables": {}}'.encode("utf-16")), (CREATE, b'{"tags": NaN}'),
        (CREATE, b'{"job\\u005fvariables": {}}'), (CREATE, b"[" * 5000),
        (("trigger", "POST", f"/api/deployments/{OWN}/create_flow_run/"), {}),
        (("reporter", *CREATE[1:]), {}), (("", *CREATE[1:]), {}), (("demo", *CREATE[1:]), {}),
        (CANCEL, {"state": {"type": "COMPLETED"}}),
        (CANCEL, {"state": {"type": "CANCELLING"}, "force": True}),
        (CANCEL, b'{"state": {"type": "CANCELLING", "type": "RUNNING"}}'),
        (CANCEL, {"state": {"type": "CANCELLING", "data": {}}}), (CANCEL, {"state": None}),
        # reporter: never for a worker.
        *[(REPORT, {"flow_id": "x", key: value}) for key, value in (
            ("deployment_id", "y"), ("work_pool_name", "y"), ("work_queue_name", "y"),
            ("job_variables", {"env": {}}), ("state", {"type": "SCHEDULED"}), ("state", "RUNNING"),
            ("parent_task_run_id", OTHER), ("parent_task_run_id", GONE), ("created_by", {}),
            ("tags", "x"), ("id", OWN),
        )],
        (PATCH, {"parameters": {}}), (PATCH, {"job_variables": {}}), (PATCH, {"tags": []}),
        (STATE, {"state": {"type": "SCHEDULED"}}),
        # reporter: its own runs.
        (PATCH_OTHER, {"name": "x"}), (STATE_OTHER, {"state": {"type": "COMPLETED"}}),
        (TASK, {"flow_run_id": OTHER}), (TASK, {"flow_run_id": None}), (TASK, {}),
        (TASK, {"flow_run_id": OWN, "id": OTHER}), (TASK, {"flow_run_id": f"{OWN}/../x"}),
        (TASK_STATE_OTHER, RUNNING), (TASK_STATE_GONE, RUNNING),
        (TASK_STATE, {**RUNNING, "flow_run_id": OTHER}),
        (("reporter", "PATCH", f"/api/task_runs/{OWN}"), {"flow_run_id": OTHER}),
        (LOGS, [{"flow_run_id": OWN}, {"flow_run_id": OTHER}]), (LOGS, [{"message": "x"}]),
        (LOGS, [{"flow_run_id": OWN, "task_run_id": OTHER}]), (LOGS, {}),
        (ARTIFACT, {"key": "result", "flow_run_id": OTHER}), (ARTIFACT, {"key": "result"}),
        (ARTIFACT, {"flow_run_id": OWN, "task_run_id": OTHER}),
        # secrets: our names, of the type Secret.
        *[(SECRET_NEW, {**OURS, "name": n}) for n in (
            "else", "homeguru-", "homeguru-prod", "homeguru-prod-", "homeguru--x", "xhomeguru-a-b",
            "homeguru-Prod-x", "homeguru-prod-x\n", None,
        )],
        (SECRET_NEW, {**OURS, "block_type_id": OTHER}), (SECRET_NEW, {**OURS, "x": {"name": "y"}}),
        (SECRET_NEW, {**OURS, "is_anonymous": True}), (SECRET_NEW, {**OURS, "data": {"url": "x"}}),
        (changed(FOREIGN), {"data": {"value": "v"}}), (changed(GONE), {"data": {"value": "v"}}),
        (changed(ANOTHER_TYPE), {"data": {"value": "v"}}),
        (changed(SECRET), {"name": "else"}), (changed(SECRET), {"data": {"value": 5}}),
    ],
)  # fmt: skip
def test_what_does_not_pass(request_, body) -> None:
    with pytest.raises(NotAllowed):
        checked(request_, body)


@pytest.mark.parametrize("tags", [[], ["a"], [MARK]])
def test_the_run_of_a_reporter_is_marked(tags) -> None:
    """Prefect's client sends all keys; those for a worker are empty."""
    body = {
        "flow_id": "x", "tags": tags, "deployment_id": None, "job_variables": {}, "parameters": {},
        "parent_task_run_id": OWN, "state": {"type": "PENDING"}, "labels": {}, "context": {},
    }  # fmt: skip
    assert checked(REPORT, body) == {**body, "tags": [*[t for t in tags if t != MARK], MARK]}


def event(about: str, related: list[str], **payload: Any) -> str:
    ids = [{"prefect.resource.id": x, "prefect.resource.role": "flow-run"} for x in related]
    return json.dumps({
        "event": "prefect.task-run.Completed", "resource": {"prefect.resource.id": about},
        "related": ids, "payload": payload,
    })  # fmt: skip


RUN, TASK_RUN = "prefect.flow-run.", "prefect.task-run."


@pytest.mark.parametrize(
    "text",
    [
        event(f"{RUN}{OWN}", []), event(f"{TASK_RUN}{GONE}", [f"{RUN}{OWN}"]),
        event(f"{TASK_RUN}{OWN}", [f"{RUN}{OWN}", "prefect.flow.x"], task_run={"id": OWN}),
        event("prefect.concurrency-limit.x", [f"{RUN}{OWN}"]),
    ],
)  # fmt: skip
def test_an_event_of_its_own_run_passes(text: str) -> None:
    assert json.loads(asyncio.run(Rules(find).event(text))) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        event(f"{RUN}{OTHER}", []), event(f"{TASK_RUN}{GONE}", []), event("x", [f"{RUN}{OWN}"]),
        event(f"{TASK_RUN}{GONE}", [f"{RUN}{OWN}", f"{RUN}{OTHER}"]),
        event(f"{TASK_RUN}{OTHER}", [f"{RUN}{OWN}"]), event("prefect.deployment.x", [f"{RUN}{OWN}"]),
        event(f"{TASK_RUN}{GONE}", [f"{RUN}{OWN}"], task_run={"flow_run_id": OTHER}),
        event(f"{TASK_RUN}{GONE}", [f"{RUN}{OWN}"], task_run={"id": OTHER}), "[]", "no",
    ],
)  # fmt: skip
def test_an_event_about_anything_else_does_not(text: str) -> None:
    with pytest.raises(NotAllowed):
        asyncio.run(Rules(find).event(text))


# -- the process ----------------------------------------------------------------------


@pytest.fixture
def server() -> list[httpx.Request]:
    return []


@pytest.fixture
def guard(server: list[httpx.Request]) -> TestClient:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        if request.method == "GET":
            found = SERVER.get(path)
            return httpx.Response(200, json=found) if found else httpx.Response(404)
        server.append(request)
        return httpx.Response(201, json={"id": OWN})

    return TestClient(Guard("http://server/api", httpx.MockTransport(answer)).app())


def test_what_is_allowed_reaches_the_server_without_the_password(guard, server) -> None:
    sent = {ACCOUNT: "reporter", "Authorization": "Basic eA==", "X-Prefect-Api-Version": "0.8.4"}
    found = guard.post("/api/flow_runs/", json={"flow_id": "x"}, headers=sent)
    assert (found.status_code, found.json()) == (201, {"id": OWN})
    [request] = server
    assert json.loads(request.content) == {"flow_id": "x", "tags": [MARK]}
    assert request.headers["x-prefect-api-version"] == "0.8.4"
    assert not {"authorization", ACCOUNT} & set(request.headers)


@pytest.mark.parametrize(
    ("account", "path", "said"),
    [
        ("reporter", f"/api/flow_runs/{OTHER}/set_state", "was not made by this account"),
        ("trigger", f"/api/flow_runs/{OWN}/set_state?x=1", "a query"),
        ("trigger", f"/api/flow_runs/{OWN}%2fset_state", "may not POST"),
        ("anna", f"/api/flow_runs/{OWN}/set_state", "may not POST"),
        (None, f"/api/flow_runs/{OWN}/set_state", "may not POST"),
    ],
)
def test_what_is_not_never_reaches_it(guard, server, account, path, said) -> None:
    headers = {ACCOUNT: account} if account else {}
    found = guard.post(path, json={"state": {"type": "COMPLETED"}}, headers=headers)
    assert found.status_code == 403
    assert said in found.text
    assert server == []


def test_a_server_that_is_away_is_asked_again_later() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    guard = TestClient(Guard("http://server/api", httpx.MockTransport(away)).app())
    found = guard.post("/api/flow_runs/", json={"flow_id": "x"}, headers={ACCOUNT: "reporter"})
    assert found.status_code == 503
    assert guard.get("/alive").text == "alive"


def test_events_of_others_are_dropped_and_the_stream_goes_on() -> None:
    seen: list[str] = []

    async def serve(socket: Any) -> None:
        await socket.recv()
        await socket.send('{"type": "auth_success"}')
        seen.extend([text async for text in socket])

    async def talk() -> None:
        upstream = websockets.serve(
            serve, "127.0.0.1", 0, subprotocols=["prefect"], close_timeout=0.1
        )
        async with upstream as server:
            port = server.sockets[0].getsockname()[1]
            guard = Guard(f"http://127.0.0.1:{port}/api")
            guard._rules = Rules(find)
            await asyncio.to_thread(client, guard)
            await asyncio.sleep(0.2)

    def client(guard: Guard) -> None:
        headers = {ACCOUNT: "reporter"}
        with TestClient(guard.app()) as app, app.websocket_connect(
            "/api/events/in", subprotocols=["prefect"], headers=headers
        ) as socket:  # fmt: skip
            socket.send_text('{"type": "auth", "token": null}')
            assert socket.receive_json() == {"type": "auth_success"}
            for run in (OWN, OTHER, OWN):
                socket.send_text(event(f"{RUN}{run}", []))

    asyncio.run(talk())
    assert [json.loads(x)["resource"]["prefect.resource.id"] for x in seen] == [f"{RUN}{OWN}"] * 2


@pytest.mark.parametrize("account", ["", "trigger", "secrets", "demo"])
def test_events_are_taken_from_nobody_else(account: str) -> None:
    headers = {ACCOUNT: account} if account else {}
    with (
        TestClient(Guard("http://127.0.0.1:1/api").app()) as app,
        pytest.raises(WebSocketDisconnect) as closed,
        app.websocket_connect("/api/events/in", subprotocols=["prefect"], headers=headers),
    ):
        pass
    assert closed.value.code == 1008
