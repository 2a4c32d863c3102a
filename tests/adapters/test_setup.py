"""`infra.orchestration.setup` against a small Prefect server in memory that records what it is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deployments.errors import HomeguruError, Refused, WrongUse
from infra.environment.locate import load
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup import (
    SetupChange,
    apply,
    how_to_start,
    pools,
    pools_of,
    schedules,
    workers,
)
from infra.orchestration.setup.declared import declared

VARIABLES = {"image": "homeguru-flows:1", "networks": ["homeguru"]}
ENVIRONMENT = """\
v = 1
project = "acme"
directory = "/srv/acme"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "acme/{service}"
[host]
address = "host"
user = "deploy"
key_file = "id"
host_keys = [%s]
[secrets]
file = "secrets.env"
names = ["TOKEN", "PASSWORD"]
[watch]
every = %d
"""
KEY = '"ssh-ed25519 AAAA"'


class Server:
    """The routes that setup uses. `sent` holds everything but questions."""

    def __init__(self) -> None:
        self.version = "3.8.8"
        self.forbidden: set[str] = set()
        self.pools: dict[str, dict[str, Any]] = {}
        self.kept: dict[str, list[dict[str, Any]]] = {
            "flows": [], "deployments": [], "limits": [], "automations": [], "blocks": [],
        }  # fmt: skip
        self.workers: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str, Any]] = []
        self._ids = (f"id{n}" for n in count())

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path))
        if request.method != "GET" and not path.endswith("/filter"):
            self.sent.append((request.method, path, body))
        if path in self.forbidden:
            return httpx.Response(403)
        found = self._answer(request.method, path, body)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    def _answer(self, method: str, path: str, body: Any) -> Any:
        words = path.strip("/").split("/")
        if path == "/admin/version":
            return self.version
        if path == "/block_types/slug/secret":
            return {"id": "secret"}
        if words[0] == "work_pools":
            return self._pool(method, words, body)
        if words[0] == "deployments" and "schedules" in words:
            return self._schedule(method, words, body)
        if words[:2] == ["deployments", "name"]:
            return next((d for d in self.kept["deployments"] if d["name"] == words[3]), None)
        kept = self.kept[
            {"v2": "limits", "block_documents": "blocks"}.get(words[0], words[0])
        ]  # fmt: skip
        if words[-1] == "filter":
            return kept[body["offset"] : body["offset"] + body["limit"]]
        if method == "POST":
            made = {"id": next(self._ids), "schedules": [], "updated": len(self.sent), **body}
            kept.append(made)
            return made
        thing = next(x for x in kept if x["id"] == words[-1])
        thing.update(body)
        return {}

    def _pool(self, method: str, words: list[str], body: Any) -> Any:
        if words[-1] == "filter":
            return self.workers if words[1] in self.pools else None
        if method == "POST":
            self.pools[body["name"]] = body
        if method == "PATCH":
            self.pools[words[1]].update(body)
        return self.pools.get(body["name"] if method == "POST" else words[1])

    def _schedule(self, method: str, words: list[str], body: Any) -> Any:
        deployment = next(d for d in self.kept["deployments"] if d["id"] == words[1])
        if method == "POST":
            for schedule in body:
                rule = {"anchor_date": "2026-01-01", **schedule["schedule"]}
                deployment["schedules"].append(
                    {**schedule, "schedule": rule, "id": next(self._ids)}
                )
            return {}
        schedule = next(s for s in deployment["schedules"] if s["id"] == words[3])
        if method == "DELETE":
            deployment["schedules"].remove(schedule)
        else:
            schedule.update(body)
        return {}

    def schedules(self) -> list[dict[str, Any]]:
        return [s for d in self.kept["deployments"] for s in d["schedules"]]


def describe(entry: Any) -> tuple[str, dict[str, Any]]:
    choice = sorted(p.stem for p in Path(os.environ["HOMEGURU_ENVIRONMENTS"]).glob("*.toml"))
    return entry.name, {"properties": {"environment": {"enum": choice}}}


def template(kind: str) -> dict[str, Any]:
    known = {"docker": ("image", "networks", "env"), "process": ("env",)}[kind]
    return {"variables": {"properties": {n: {"title": n} for n in known}}, "job_configuration": {}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One environment that is ready, and none besides it."""
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setattr("infra.environment.locate.packaged_environments", lambda: tmp_path)
    monkeypatch.setattr("infra.orchestration.setup.pools._template", template)
    (tmp_path / "prod.toml").write_text(ENVIRONMENT % (KEY, 300))
    secrets = tmp_path / "secrets.env"
    secrets.write_text("TOKEN=from-the-file\n")
    secrets.chmod(0o600)
    return tmp_path


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def api(server: Server) -> Iterator[PrefectApi]:
    found = PrefectApi("http://prefect/api", transport=httpx.MockTransport(server))
    yield found
    found.close()


Run = Callable[..., list[SetupChange]]


@pytest.fixture
def run(api: PrefectApi, server: Server, folder: Path) -> Run:
    """Setup; `server.sent` holds what this run sent, `run.lines` what it said."""

    def again(**more: Any) -> list[SetupChange]:
        server.sent.clear()
        again.lines = []  # type: ignore[attr-defined]
        return apply(api, again.lines.append, describe=describe, **more)  # type: ignore[attr-defined]

    return again


def test_everything_is_created_and_a_second_run_only_asks(run: Run, server: Server) -> None:
    first = run()
    assert {c.kind for c in first if c.what == "created"} == {
        "work pool", "limit", "deployment", "schedule", "automation",
    }  # fmt: skip
    assert len([c for c in first if c.kind == "deployment"]) == 10
    assert run.lines[-1] == "15 created"
    before = json.dumps(server.kept)

    second = run()
    assert server.sent == []
    assert json.dumps(server.kept) == before
    assert {c.what for c in second} == {"unchanged", "missing"}
    assert run.lines[-1] == "nothing to do"


def test_the_lines_stand_in_columns(run: Run) -> None:
    run()
    assert "deployment  deploy/deploy                          created" in run.lines
    assert "schedule    verify-prod                            created: every 300 s" in run.lines


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
    change(document)
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_changed_file_changes_exactly_that(run: Run, server: Server, tmp_path: Path) -> None:
    run()

    def change(document: dict[str, Any]) -> None:
        document["deployments"][2]["description"] = "Another sentence."

    found = run(file=edited(tmp_path, change))
    assert [(m, b) for m, _, b in server.sent] == [("PATCH", {"description": "Another sentence."})]
    assert [str(c).split() for c in found if c.differs] == [
        ["deployment", "deploy/deploy", "changed:", "description"]
    ]
    assert run.lines[-1] == "1 changed"


def test_a_new_environment_changes_forms_limit_and_schedule(
    run: Run, server: Server, folder: Path
) -> None:
    run()
    (folder / "stage.toml").write_text(ENVIRONMENT % (KEY, 60))
    changed = {(c.kind, c.name, c.detail) for c in run() if c.differs}
    assert ("limit", "env-stage", "") in changed
    assert ("schedule", "verify-stage", "every 60 s") in changed
    assert ("deployment", "deploy/deploy", "form") in changed
    assert len(changed) == 12


def test_a_deployment_that_is_not_named_any_more_is_reported_and_stays(
    run: Run, server: Server, tmp_path: Path
) -> None:
    run()
    found = run(file=edited(tmp_path, lambda document: document["deployments"].pop()))
    assert [c.name for c in found if c.what == "left over"] == ["adopt/adopt"]
    # What is left to say of it: the automations do not watch it any more.
    assert {path.split("/")[1] for _, path, _ in server.sent} == {"automations"}
    assert len(server.kept["deployments"]) == 10


def test_schedules_follow_the_environments(run: Run, server: Server, folder: Path) -> None:
    (folder / "unpinned.toml").write_text(ENVIRONMENT % ("", 300))
    (folder / "unwatched.toml").write_text(ENVIRONMENT % (KEY, 0))
    run()
    [schedule] = server.schedules()
    assert schedule["slug"] == "verify-prod"
    assert schedule["parameters"] == {"environment": "prod"}

    (folder / "prod.toml").write_text(ENVIRONMENT % (KEY, 600))
    assert [c.detail for c in run() if c.kind == "schedule"] == ["every 600 s"]
    assert server.schedules()[0]["schedule"]["interval"] == 600

    (folder / "prod.toml").write_text(ENVIRONMENT % (KEY, 0))
    assert [c.what for c in run() if c.kind == "schedule"] == ["removed"]
    assert server.schedules() == []


@pytest.mark.parametrize("unpinned", [True, False])
def test_what_another_machine_set_up_is_no_schedule_to_remove(
    run: Run, server: Server, folder: Path, unpinned: bool
) -> None:
    run()
    if unpinned:
        (folder / "prod.toml").write_text(ENVIRONMENT % ("", 300))
    else:
        (folder / "prod.toml").unlink()
    found = [c for c in run() if c.kind == "schedule"]
    assert [(c.name, c.what) for c in found] == [("verify-prod", "left over")]
    assert [s["slug"] for s in server.schedules()] == ["verify-prod"]


def test_what_people_made_or_paused_stays_so(run: Run, server: Server) -> None:
    run()
    [schedule] = server.schedules()
    schedule["active"] = False
    verify = next(d for d in server.kept["deployments"] if d["name"] == "verify")
    verify["schedules"].append({"id": "s", "slug": "nightly", "schedule": {"cron": "0 3 * * *"}})
    server.kept["automations"][0]["enabled"] = False
    found = run()
    assert server.sent == []
    assert [c.detail for c in found if c.detail and c.what == "unchanged"] == [
        "paused", "switched off",
    ]  # fmt: skip


def test_a_shorter_patience_changes_the_automation(run: Run, server: Server) -> None:
    run()
    run(silent_after=120)
    [(method, _, body)] = server.sent
    assert method == "PUT"
    assert body["trigger"]["within"] == 120
    assert body["actions"][0]["state"] == "CRASHED"


def test_only_runs_of_our_flows_are_watched(run: Run, server: Server) -> None:
    run()
    for automation in server.kept["automations"]:
        related = automation["trigger"]["match_related"]
        assert related["prefect.resource.role"] == "flow"
        assert related["prefect.resource.name"] == [
            "adopt", "backup", "deploy", "drill", "migrate", "publish", "release", "restore", "rollback", "verify",
        ]  # fmt: skip


def test_a_limit_that_somebody_widened_is_put_right(run: Run, server: Server) -> None:
    run()
    server.kept["limits"][0].update(limit=3, active_slots=1)
    [change] = [c for c in run() if c.differs]
    assert change.detail == "limit 3 -> 1"
    assert server.kept["limits"][0]["active_slots"] == 1


def test_missing_secrets_are_named_and_nothing_else_of_them(run: Run, server: Server) -> None:
    assert [c.name for c in run() if c.kind == "secret"] == ["prod PASSWORD"]
    assert "from-the-file" not in "".join(run.lines)
    server.kept["blocks"].append({"name": "homeguru-prod-password"})
    assert [c for c in run() if c.kind == "secret"] == []


def test_with_containers_four_verbs_move_to_their_pool(run: Run, server: Server) -> None:
    run()
    found = run(pools="docker", docker_variables=VARIABLES)
    known = server.pools["homeguru-docker"]["base_job_template"]["variables"]["properties"]
    assert {n: p.get("default") for n, p in known.items()} == {**VARIABLES, "env": None}
    moved = {c.name for c in found if c.what == "changed"}
    assert moved == {
        f"{v}/{v}"
        for v in ("deploy", "migrate", "verify", "rollback", "backup", "restore", "adopt", "drill")
    }
    assert {d["name"]: d["work_pool_name"] for d in server.kept["deployments"]}["publish"] == (
        "homeguru"
    )
    run(pools="docker", docker_variables=VARIABLES)
    assert server.sent == []
    run(pools="docker")
    assert server.sent == []


def test_another_image_changes_the_pool_and_keeps_what_people_set(run: Run, server: Server) -> None:
    run(pools="docker", docker_variables=VARIABLES)
    template = server.pools["homeguru-docker"]["base_job_template"]
    template["variables"]["properties"]["env"]["default"] = {"TZ": "UTC"}
    found = run(pools="docker", docker_variables={**VARIABLES, "image": "homeguru-flows:2"})
    assert [(c.name, c.detail) for c in found if c.differs] == [("homeguru-docker", "image")]
    known = server.pools["homeguru-docker"]["base_job_template"]["variables"]["properties"]
    assert known["env"]["default"] == {"TZ": "UTC"}


def test_a_server_with_containers_stays_one(run: Run, api: PrefectApi) -> None:
    assert pools_of(api) == "process"
    run(pools="docker", docker_variables=VARIABLES)
    assert pools_of(api) == "docker"


def test_the_archive_is_a_control_planes_and_stays_there(run: Run, server: Server) -> None:
    assert not [c for c in run() if "archive" in c.name]
    found = {c.name: c.detail for c in run(archive=True) if c.differs}
    assert found["archive/archive"] == ""
    assert found["archive-daily"] == "17 3 * * *"
    run()
    assert server.sent == []


def test_a_pool_of_another_type_is_never_changed(run: Run, server: Server) -> None:
    server.pools["homeguru"] = {"name": "homeguru", "type": "kubernetes", "base_job_template": {}}
    with pytest.raises(Refused, match="work pool homeguru is of type kubernetes, not process"):
        run()
    assert server.sent == []


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"pools": "docker"}, "there is no work pool homeguru-docker"),
        ({"pools": "kubernetes"}, "no pools 'kubernetes'"),
        ({"pools": "docker", "docker_variables": {"imgae": "x"}}, "no job variable 'imgae'"),
        ({"file": Path("/nowhere/prefect.yaml")}, "prefect.yaml cannot be read"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(run: Run, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WrongUse, match=sentence):
        run(**more)


def test_an_old_server_and_a_machine_account_are_refused(run: Run, server: Server) -> None:
    server.version = "3.3.9"
    with pytest.raises(Refused, match=r"Prefect server 3\.3\.9 is too old"):
        run()
    assert server.sent == []
    server.version = "3.8.8"
    server.forbidden = {"/work_pools/homeguru"}
    with pytest.raises(Refused, match="account nobody may not GET /work_pools/homeguru"):
        run()


def test_without_a_worker_it_says_how_to_start_one(
    run: Run, server: Server, api: PrefectApi
) -> None:
    assert workers(api, "homeguru") == []
    run()
    hint = "start one: prefect worker start --pool homeguru --type process"
    assert any(line.endswith(hint) for line in run.lines)
    server.workers = [{"name": "a", "status": "OFFLINE"}, {"name": "b", "status": "ONLINE"}]
    assert [w["name"] for w in workers(api, "homeguru")] == ["b"]
    run()
    assert not any("no worker" in line for line in run.lines)
    assert how_to_start(pools.DOCKER_POOL).endswith("--pool homeguru-docker --type docker")


def test_the_wheel_and_the_checkout_have_one_source() -> None:
    everywhere, control_plane = declared()
    assert [d.name for d in everywhere] == [
        "release", "publish", "deploy", "migrate", "verify", "rollback", "backup", "restore",
        "drill", "adopt",
    ]  # fmt: skip
    assert [d.name for d in control_plane] == ["archive"]
    assert all(d.pool == "homeguru" and d.description and "homeguru" in d.tags for d in everywhere)
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"prefect.yaml" = "infra/_data/prefect.yaml"' in project


def test_the_command_names_the_missing_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.cli.setup import setup

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(HomeguruError, match="PREFECT_API_URL is not set") as told:
        setup()
    assert told.value.exit_code == 2
    assert "homeguru control-plane up" in told.value.todo


def test_backups_and_drills_have_schedules_of_their_own() -> None:
    neither = load("production").environment
    backup = neither.backup.model_copy(update={"every_hours": 24, "drill_hours": 168})
    pinned = neither.host.model_copy(update={"host_keys": ("ssh-ed25519 AAAA",)})
    both = neither.model_copy(update={"host": pinned, "backup": backup})
    unpinned = neither.model_copy(update={"backup": backup})
    for verb, seconds in (("backup", 86400.0), ("drill", 604800.0)):
        entry = next(e for e in declared()[0] if e.name == verb)
        assert schedules.wanted(entry, [both, neither, unpinned]) == [{
            "slug": f"{verb}-production", "schedule": {"interval": seconds},
            "parameters": {"environment": "production"},
        }]  # fmt: skip
