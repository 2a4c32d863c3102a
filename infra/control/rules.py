"""What a machine account may change, where the address of a request says too little.

The gateway compares account, method and address with a list; what it lets through here depends
on what the request says and on what the server knows: whose run it is, how a block is called.
Every body has an allow-list of keys. What is not named is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

MARK = "homeguru:reported"
"""Tag of the runs that the account `reporter` made: it may change these and no others."""

Find = Callable[[str], Awaitable[Any]]
"""The server's JSON for a path below /api, None when there is no such thing."""

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_BLOCK = re.compile(r"homeguru-[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_TAG = re.compile(r"by:[^\x00-\x1f\x7f]{1,200}|from:[a-z]{1,20}|[0-9a-f]{7,40}")
_LONGEST = 1000
_LONGEST_OF = {"configuration": 20_000}
"""Characters of a parameter. A digest of every setting and file of an environment is long."""
_RUN_KEYS = {
    "name", "flow_id", "flow_version", "parameters", "context", "parent_task_run_id",
    "empirical_policy", "tags", "idempotency_key", "labels", "state",
}  # fmt: skip
#: Where and how a worker would run it: Prefect's client sends these keys, empty.
_EMPTY_KEYS = {
    "deployment_id", "work_pool_name", "work_queue_name", "job_variables",
    "infrastructure_document_id",
}  # fmt: skip
_OBJECTS = ("prefect.flow-run.", "prefect.task-run.", "prefect.concurrency-limit.")


class NotAllowed(Exception):
    """An account may not send that; the text says what of it."""


class Rules:
    """The rules, with what was learnt of the server: whose a run is never changes."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._own: set[str] = set()
        self._own_tasks: set[str] = set()

    async def checked(self, account: str, method: str, path: str, body: bytes) -> bytes:
        """The body to pass on; raises NotAllowed. It is written anew: what was read is what is sent."""
        for machine, verb, pattern, rule in _RULES:
            match = re.fullmatch(pattern, path)
            if (machine, verb) == (account, method) and match:
                data = read(body)
                sent = await rule(self, data, *match.groups())
                return json.dumps(sent).encode()
        raise NotAllowed(f"{account} may not {method} {path}")

    # -- trigger --------------------------------------------------------------------

    async def _press(self, data: Any, _: str) -> Any:
        only(data, {"parameters", "tags", "idempotency_key"})
        parameters = data.get("parameters", {})
        if not isinstance(parameters, dict) or not all(
            _plain(value, _LONGEST_OF.get(name, _LONGEST)) for name, value in parameters.items()
        ):
            raise NotAllowed("parameters are names with a text, a number or a yes or no")
        for tag in _texts(data.get("tags") or [], "tags"):
            if not _TAG.fullmatch(tag):
                raise NotAllowed(f"tag {tag[:60]!r}")
        if not _plain(data.get("idempotency_key")):
            raise NotAllowed("idempotency_key")
        return data

    async def _cancel(self, data: Any, _: str) -> Any:
        only(data, {"state"})
        state = data.get("state")
        only(state, {"type", "name", "message"})
        if state.get("type") != "CANCELLING" or not all(map(_plain, state.values())):
            raise NotAllowed("a run may be cancelled, and brought into no other state")
        return data

    # -- reporter -------------------------------------------------------------------

    async def _report(self, data: Any) -> Any:
        only(data, _RUN_KEYS | _EMPTY_KEYS)
        if filled := sorted(k for k in _EMPTY_KEYS if data.get(k)):
            raise NotAllowed(f"a run for a worker: {', '.join(filled)}")
        _no_schedule(data.get("state"))
        if parent := data.get("parent_task_run_id"):
            await self._must_own_task(parent)
        tags = _texts(data.get("tags") or [], "tags")
        return {**data, "tags": [*[t for t in tags if t != MARK], MARK]}

    async def _rename(self, data: Any, run: str) -> Any:
        only(data, {"name", "flow_version", "empirical_policy"})
        await self._must_own(run)
        return data

    async def _state(self, data: Any, run: str) -> Any:
        only(data, {"state", "force"})
        _no_schedule(data.get("state"))
        await self._must_own(run)
        return data

    async def _task(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise NotAllowed("not an object")
        await self._must_own(data.get("flow_run_id"))
        if data.get("id"):
            await self._must_not_be_anothers(data["id"])
        return data

    async def _change_task(self, data: Any, task: str) -> Any:
        if not isinstance(data, dict) or "flow_run_id" in data:
            raise NotAllowed("a task run stays where it is")
        await self._must_own_task(task)
        return data

    async def _logs(self, data: Any) -> Any:
        if not isinstance(data, list) or not all(isinstance(x, dict) for x in data):
            raise NotAllowed("logs are a list")
        for run in {x.get("flow_run_id") for x in data}:
            await self._must_own(run)
        for task in {x["task_run_id"] for x in data if x.get("task_run_id")}:
            await self._must_not_be_anothers(task)
        return data

    async def _artifact(self, data: Any) -> Any:
        only(
            data, {"key", "type", "description", "data", "metadata_", "flow_run_id", "task_run_id"}
        )
        await self._must_own(data.get("flow_run_id"))
        if data.get("task_run_id"):
            await self._must_not_be_anothers(data["task_run_id"])
        return data

    async def event(self, text: str | bytes) -> str:
        """An event of the reporter's own run; the server writes task runs by what events say."""
        data = read(text if isinstance(text, bytes) else text.encode())
        if not isinstance(data, dict):
            raise NotAllowed("an event is an object")
        resource, related = data.get("resource"), data.get("related") or []
        if not isinstance(resource, dict) or not isinstance(related, list):
            raise NotAllowed("an event has a resource")
        about = str(resource.get("prefect.resource.id"))
        ids = [about, *(str(x.get("prefect.resource.id")) for x in related if isinstance(x, dict))]
        runs = [
            x.removeprefix("prefect.flow-run.") for x in ids if x.startswith("prefect.flow-run.")
        ]
        if not runs or not about.startswith(_OBJECTS):
            raise NotAllowed(f"an event about {about[:80]}")
        for run in runs:
            await self._must_own(run)
        for task in (x.removeprefix("prefect.task-run.") for x in ids if "prefect.task-run." in x):
            await self._must_not_be_anothers(task)
        payload = data.get("payload")
        task_run = payload.get("task_run") if isinstance(payload, dict) else None
        if isinstance(task_run, dict):
            # The server lets these two speak for the resource.
            if task_run.get("flow_run_id"):
                await self._must_own(task_run["flow_run_id"])
            if task_run.get("id"):
                await self._must_not_be_anothers(task_run["id"])
        return json.dumps(data)

    # -- secrets --------------------------------------------------------------------

    async def _new_secret(self, data: Any) -> Any:
        only(data, {"name", "data", "block_type_id", "block_schema_id", "is_anonymous"})
        _must_be_ours(data.get("name"))
        _must_be_value(data.get("data"))
        kind = await self._find("/block_types/slug/secret")
        if data.get("is_anonymous") or not kind or data.get("block_type_id") != kind["id"]:
            raise NotAllowed("a block of another type than Secret")
        return data

    async def _change_secret(self, data: Any, block: str) -> Any:
        only(data, {"data"})
        _must_be_value(data.get("data"))
        document = await self._find(f"/block_documents/{block}")
        if not document or (document.get("block_type") or {}).get("slug") != "secret":
            raise NotAllowed("a block of another type than Secret")
        _must_be_ours(document.get("name"))
        return data

    # -- whose it is ----------------------------------------------------------------

    async def _must_own(self, run: Any) -> None:
        if run in self._own:
            return
        flow_run = await self._find(f"/flow_runs/{_id(run)}")
        if not flow_run or MARK not in (flow_run.get("tags") or []):
            raise NotAllowed(f"run {run} was not made by this account")
        self._own.add(run)

    async def _must_own_task(self, task: Any) -> None:
        if not await self._knows_task(task):
            raise NotAllowed(f"there is no task run {task}")

    async def _must_not_be_anothers(self, task: Any) -> None:
        """The client chooses the ids of new task runs: one that is not there yet is free."""
        await self._knows_task(task)

    async def _knows_task(self, task: Any) -> bool:
        if task in self._own_tasks:
            return True
        task_run = await self._find(f"/task_runs/{_id(task)}")
        if not task_run:
            return False
        await self._must_own(task_run.get("flow_run_id"))
        self._own_tasks.add(task)
        return True


_RULES: tuple[tuple[str, str, str, Callable[..., Awaitable[Any]]], ...] = (
    ("trigger", "POST", rf"/api/deployments/({_ID})/create_flow_run", Rules._press),
    ("trigger", "POST", rf"/api/flow_runs/({_ID})/set_state", Rules._cancel),
    ("reporter", "POST", "/api/flow_runs/", Rules._report),
    ("reporter", "PATCH", rf"/api/flow_runs/({_ID})", Rules._rename),
    ("reporter", "POST", rf"/api/flow_runs/({_ID})/set_state", Rules._state),
    ("reporter", "POST", "/api/task_runs/", Rules._task),
    ("reporter", "PATCH", rf"/api/task_runs/({_ID})", Rules._change_task),
    ("reporter", "POST", rf"/api/task_runs/({_ID})/set_state", Rules._change_task),
    ("reporter", "POST", "/api/logs/", Rules._logs),
    ("reporter", "POST", "/api/artifacts/", Rules._artifact),
    ("secrets", "POST", "/api/block_documents/", Rules._new_secret),
    ("secrets", "PATCH", rf"/api/block_documents/({_ID})", Rules._change_secret),
)


def read(body: bytes) -> Any:
    """JSON as the server reads it, or NotAllowed: UTF-8, no key twice, no NaN."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise NotAllowed("a body that is no plain JSON") from None


def only(data: Any, keys: Iterable[str]) -> None:
    """Raise NotAllowed for anything else than an object with some of these keys."""
    if not isinstance(data, dict):
        raise NotAllowed("not an object")
    if unknown := sorted(set(data) - set(keys)):
        raise NotAllowed(f"the key {unknown[0][:60]!r}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a key twice")
    return mapping


def _constant(name: str) -> Any:
    raise ValueError(name)


def _plain(value: Any, longest: int = _LONGEST) -> bool:
    if isinstance(value, str):
        return len(value) <= longest and not re.search(r"[\x00-\x1f\x7f]", value)
    return value is None or isinstance(value, bool | int)


def _texts(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        raise NotAllowed(f"{what} are a list of texts")
    return value


def _no_schedule(state: Any) -> None:
    """A run that is scheduled again is a run for a worker."""
    if state is not None and (not isinstance(state, dict) or state.get("type") == "SCHEDULED"):
        raise NotAllowed("a run that is scheduled")


def _must_be_ours(name: Any) -> None:
    if not isinstance(name, str) or not _BLOCK.fullmatch(name):
        raise NotAllowed("a block that is not named homeguru-<environment>-<secret>")


def _must_be_value(data: Any) -> None:
    only(data, {"value"})
    if not isinstance(data.get("value"), str):
        raise NotAllowed("a secret without a text")


def _id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_ID, value):
        raise NotAllowed("something that belongs to no run")
    return value
