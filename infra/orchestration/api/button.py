"""Pressing a button on the Prefect server: create a run, follow it, end with its outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from deployments.errors import HomeguruError, Interrupted, Refused, WrongUse, from_dict
from deployments.verbs import traits
from infra.machine.waiting import wait_until
from infra.orchestration.api.client import FOLLOWING, Absent, PrefectApi
from infra.orchestration.api.logs import LogTail

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
WAITING = {"SCHEDULED", "PENDING"}
POLL = 0.4
"""Seconds between two looks at a run."""
PICK_UP = 25.0
"""Seconds after which a run that no worker took is looked into."""

LAST_LINES = 3.0
"""Seconds in which a run's last log lines may arrive after its end."""

Say = Callable[[str], None]


@dataclass
class Press:
    """One run on a server, followed from here."""

    api: PrefectApi
    verb: str
    say: Say
    deployment: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    _tail: LogTail | None = None
    _late: bool = False

    def create(self, parameters: dict[str, Any], tags: list[str], key: str) -> None:
        """Create the run; the same key means the same run again."""
        self.api.first_contact()
        self.deployment = find_deployment(self.api, self.verb)
        check_parameters(self.verb, self.deployment, parameters, self.api.url)
        body = {"parameters": parameters, "tags": tags, "idempotency_key": key or None}
        path = f"/deployments/{self.deployment['id']}/create_flow_run"
        self.run = self.api.post(path, body)
        self._tail = LogTail(self.api, self.run["id"])
        self.say(f"run {self.run['name']}: {self.page}")

    @property
    def environment(self) -> str:
        """Whose run it is."""
        return str(self.run.get("parameters", {}).get("environment", "NAME"))

    @property
    def page(self) -> str:
        """The run's page in the UI."""
        return f"{self.api.ui}/runs/flow-run/{self.run['id']}"

    def follow(self) -> None:
        """Hand over log lines until the run has ended; Ctrl-C leaves the run at work."""
        self.api.patience = FOLLOWING
        begin, state = time.monotonic(), ""
        while True:
            self.run = self.api.get(f"/flow_runs/{self.run['id']}")
            name = self.run["state"]["name"]
            self._log()
            if self.run["state"]["type"] in ENDED:
                return
            if name != state:
                self._tell_wait(name)
                state = name
            if self.run["state"]["type"] in WAITING and time.monotonic() - begin > PICK_UP:
                self._need_worker()
                begin = time.monotonic()
            time.sleep(POLL)

    def _tell_wait(self, state: str) -> None:
        if state == "Paused":
            self.say(f"waits for approval: {self.page}")
        elif state == "AwaitingConcurrencySlot":
            self.say("waits: another run works on this environment")

    def _need_worker(self) -> None:
        """Raise Refused, and cancel the run, when no worker is there to take it."""
        deployment = self.api.get(f"/deployments/{self.deployment['id']}")
        pool = deployment.get("work_pool_name")
        if self.run["state"]["name"] != "Late":
            return
        if deployment.get("status") != "NOT_READY":
            if not self._late:
                self.say(
                    f"no worker took it yet: is pool {pool} busy, or is it or its queue paused?"
                )
            self._late = True
            return
        cancel_run(self.api, self.run["id"], "no worker took it")
        if not pool:
            raise Refused(
                "its deployment has no work pool any more: the run was cancelled", where=self.api.url,
                state="untouched", todo="homeguru control-plane up, or homeguru setup: both make it again",
            )  # fmt: skip
        raise Refused(
            f"no worker takes runs of work pool {pool}: the run was cancelled",
            where=self.api.url, state="untouched",
            todo=f"homeguru control-plane worker --pool {pool}, or homeguru control-plane up",
        )  # fmt: skip

    def _log(self) -> bool:
        """Hand over new lines; whether the log is complete."""
        assert self._tail is not None
        for text in self._tail.lines():
            self.say(text)
        return self._tail.complete

    def _last_lines(self) -> None:
        """Logs travel apart from states, a little later."""
        expected = self.run["state"]["type"] in ("COMPLETED", "FAILED")
        wait_until(lambda: self._log() or not expected, LAST_LINES, every=POLL / 2)

    def outcome(self) -> dict[str, Any]:
        """The run's summary; raises what it failed with."""
        self._last_lines()
        state, result = self.run["state"], self._result()
        if state["type"] == "COMPLETED":
            return result or {"outcome": "ok"}
        if state["type"] == "CANCELLED":
            raise Cancelled(
                "the run was cancelled", where=self.page, state=_unsure(self.verb),
                todo=f"homeguru status --env {self.environment} shows what runs; the next run finishes or "
                "undoes what this one left, first",
            )  # fmt: skip
        if result and "error" in result:
            raise from_dict(result)
        if state["type"] == "CRASHED":
            raise HomeguruError(
                f"the run's process died: {state.get('message') or 'no reason given'}",
                where=self.page, state=_unsure(self.verb),
                todo="press again: the next run finishes or undoes what this one left",
            )  # fmt: skip
        raise HomeguruError(
            str(state.get("message") or "the run failed"), where=self.page, state=_unsure(self.verb),
            todo="the run's log tells more: open that page",
        )  # fmt: skip

    def _result(self) -> dict[str, Any]:
        return result_of(self.artifacts().get("result", ""))

    def artifacts(self) -> dict[str, Any]:
        """The run's artifacts by kind (plan, report, services, result), newest of each."""
        body = {"flow_runs": {"id": {"any_": [self.run["id"]]}}, "sort": "CREATED_DESC"}
        artifacts: dict[str, Any] = {}
        for artifact in self.api.post("/artifacts/filter", body):
            artifacts.setdefault(str(artifact["key"]).partition("-")[0], artifact["data"])
        return artifacts


class Cancelled(Interrupted):
    """Somebody cancelled the run."""

    exit_code = Refused.exit_code


def press(
    api: PrefectApi, verb: str, parameters: dict[str, Any], *, tags: list[str], key: str, say: Say
) -> dict[str, Any]:
    """Create a run, follow it to its end, return its summary or raise its error."""
    pressed = Press(api, verb, say)
    pressed.create(parameters, tags, key)
    try:
        pressed.follow()
    except Interrupted:
        raise Interrupted(
            "the run is no longer followed here, and goes on there", where=pressed.page,
            state="as the run leaves it", todo="look at it on that page, or cancel it there",
        ) from None  # fmt: skip
    return pressed.outcome()


def cancel(api: PrefectApi, key: str, say: Say) -> bool:
    """Cancel the run that was created with `key`; whether there was one at work."""
    body = {"flow_runs": {"idempotency_key": {"any_": [key]}}}
    runs = [r for r in api.post("/flow_runs/filter", body) if r["state"]["type"] not in ENDED]
    for run in runs:
        cancel_run(api, run["id"], "cancelled where it was pressed")
        say(f"cancelling run {run['name']}: {api.ui}/runs/flow-run/{run['id']}")
    return bool(runs)


def cancel_run(api: PrefectApi, run: str, why: str) -> None:
    """Ask a run to stop: its process gets SIGTERM and undoes what it began."""
    state = {"type": "CANCELLING", "name": "Cancelling", "message": why}
    with suppress(Absent):
        api.post(f"/flow_runs/{run}/set_state", {"state": state})


def find_deployment(api: PrefectApi, verb: str) -> dict[str, Any]:
    """The deployment of a verb; raises Refused when the server has none."""
    try:
        deployment: dict[str, Any] = api.get(f"/deployments/name/{verb}/{verb}")
    except Absent:
        raise Refused(
            f"the Prefect server has no deployment {verb}/{verb}", where=api.url, state="untouched",
            todo="register it: homeguru control-plane up for a control plane, homeguru setup for any other",
        ) from None  # fmt: skip
    return deployment


def check_parameters(
    verb: str, deployment: dict[str, Any], parameters: dict[str, Any], where: str
) -> None:
    """Raise WrongUse for what the server would take and the run would crash of."""
    schema = deployment.get("parameter_openapi_schema") or {}
    properties = schema.get("properties", {})
    unknown = sorted(set(parameters) - set(properties))
    if unknown:
        raise WrongUse(
            f"deployment {verb} has no parameter {', '.join(unknown)}; "
            f"it has {', '.join(properties)}",
            where=where, state="untouched",
            todo="server and command are of different versions: homeguru control-plane up brings a "
            "control plane to this one, homeguru setup any other server",
        )  # fmt: skip
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(parameters), key=str)
    if errors:
        at = ".".join(str(p) for p in errors[0].absolute_path)
        raise WrongUse(
            f"parameter {at}: {_complaint(errors[0])}" if at else errors[0].message,
            where=where, state="untouched",
            todo="correct it; a new environment reaches a control plane by homeguru control-plane up, any "
            "other server by homeguru setup where its worker is",
        )  # fmt: skip


def _complaint(error: jsonschema.ValidationError) -> str:
    """What is wrong with a value, without the regular expression that it does not match."""
    if error.validator != "pattern":
        return str(error.message)
    description = error.schema.get("description") if isinstance(error.schema, dict) else ""
    return f"{error.instance!r} is not of its form{f': {description}' if description else ''}"


def result_of(markdown: str) -> dict[str, Any]:
    """What a run left for programs; empty when it left nothing."""
    _, _, rest = markdown.partition("```json\n")
    try:
        return dict(json.loads(rest.partition("\n```")[0]))
    except ValueError:
        return {}


def _unsure(verb: str) -> str:
    return (
        "unchanged"
        if traits(verb).only_looks or traits(verb).only_publishes
        else "as the run left it"
    )
