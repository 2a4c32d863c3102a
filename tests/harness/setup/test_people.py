"""What people changed on the server, and what setup does not touch."""

from __future__ import annotations

import pytest

from deployments.errors import Refused
from tests.harness.setup.runs import Setup

pytestmark = pytest.mark.harness


def test_what_people_made_or_paused_stays_so(setup: Setup) -> None:
    setup()
    verify = setup.deployment("verify")
    [ours] = verify["schedules"]
    setup.api.patch(f"/deployments/{verify['id']}/schedules/{ours['id']}", {"active": False})
    nightly = {"slug": "nightly", "active": False, "schedule": {"cron": "0 3 * * *"}}
    setup.api.post(f"/deployments/{verify['id']}/schedules", [nightly])
    [silent] = [a for a in setup.all("automations") if "silent" in a["name"]]
    setup.api.patch(f"/automations/{silent['id']}", {"enabled": False})
    # Prefect drops a schedule's parameters when it is paused so: they come back, and it stays paused.
    assert setup.differing() == {"verify-ready": "changed every 86400 s"}
    assert {s["slug"]: (s["active"], s["parameters"]) for s in setup.schedules()} == {
        "verify-ready": (False, {"environment": "ready"}), "nightly": (False, {}),
    }  # fmt: skip
    changes = setup()
    assert setup.sent == []
    assert [c.detail for c in changes if c.detail and c.what == "unchanged"] == [
        "paused", "switched off",
    ]  # fmt: skip


def test_a_schedule_that_was_resumed_gets_its_environment_back(setup: Setup) -> None:
    """Prefect drops it then, too: until setup is called again, its runs fail for want of it."""
    setup()
    verify = setup.deployment("verify")
    [ours] = verify["schedules"]
    for active in (False, True):
        setup.api.patch(f"/deployments/{verify['id']}/schedules/{ours['id']}", {"active": active})
    [dropped] = setup.schedules()
    assert (dropped["active"], dropped["parameters"]) == (True, {})
    assert setup.differing() == {"verify-ready": "changed every 86400 s"}
    [again] = setup.schedules()
    assert (again["active"], again["parameters"]) == (True, {"environment": "ready"})


def test_a_limit_that_somebody_widened_is_put_right(setup: Setup) -> None:
    setup()
    [limit] = [x for x in setup.all("v2/concurrency_limits") if x["name"] == "env-ready"]
    setup.api.patch(f"/v2/concurrency_limits/{limit['id']}", {"limit": 3, "active_slots": 1})
    assert setup.differing() == {"env-ready": "changed limit 3 -> 1"}
    [limit] = [x for x in setup.all("v2/concurrency_limits") if x["name"] == "env-ready"]
    assert (limit["limit"], limit["active_slots"]) == (1, 1)


def test_missing_secrets_are_named_and_nothing_else_of_them(setup: Setup) -> None:
    assert [c.name for c in setup() if c.kind == "secret"] == ["ready PASSWORD"]
    assert "from-the-file" not in "".join(setup.lines)
    kind = setup.api.get("/block_types/slug/secret")["id"]
    schema = setup.api.post(
        "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    )[0]
    setup.api.post("/block_documents/", {
        "name": "homeguru-ready-password", "data": {"value": "x"}, "block_type_id": kind,
        "block_schema_id": schema["id"],
    })  # fmt: skip
    assert [c for c in setup() if c.kind == "secret"] == []


def test_a_pool_of_another_type_is_never_changed(setup: Setup) -> None:
    setup.api.post(
        "/work_pools/", {"name": "homeguru", "type": "kubernetes", "base_job_template": {}}
    )
    with pytest.raises(Refused, match="work pool homeguru is of type kubernetes, not process"):
        setup()
    assert setup.sent == []
