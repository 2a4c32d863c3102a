"""sync-secrets: the job's secrets, by name, into Secret blocks of the control plane."""

from __future__ import annotations

from typing import Any

from deployments.compose.variables import block_name
from deployments.errors import HomeguruError, Refused, WrongUse
from infra.cli.actions import summary
from infra.cli.actions.runner import Runner
from infra.cli.actions.trust import trust
from infra.environment import locate
from infra.environment.secrets import of_this_process
from infra.orchestration.api.button import Say
from infra.orchestration.api.client import PrefectApi

_TYPE = "/block_types/slug/secret"


def sync_secrets(runner: Runner, say: Say) -> None:
    """Write each secret that the environment names and the job has; no value is ever read.

    Raises Refused at the end when one is missing: here, and as a block already there.
    """
    name = runner.environment
    try:
        trust(runner)
        api = PrefectApi.from_environment()
        if api is None:
            raise WrongUse(
                "no control plane is named: PREFECT_API_URL is not set", state="not contacted",
                todo="set PREFECT_API_URL and PREFECT_SECRETS_AUTH_STRING on GitHub",
            )  # fmt: skip
        try:
            environment = locate.load(name).environment
            secrets = [_synced(api, name, secret) for secret in environment.secret_names]
        finally:
            api.close()
    except HomeguruError as error:
        runner.summary(summary.failed("sync-secrets", name, error, ""))
        raise
    # Where a worker publishes nothing, the key that signs has no place.
    signs = environment.signatures.secret_names
    secrets = [row for row in secrets if row[0] not in signs or row[2] != "missing"]
    for secret, block, what in secrets:
        say(f"{secret:<24} {block:<44} {what}")
    runner.summary(summary.synced(name, secrets))
    _complete(name, [secret for secret, _, what in secrets if what == "missing"])


def _complete(name: str, missing: list[str]) -> None:
    if missing:
        raise Refused(
            f"missing: {', '.join(missing)}", where=f"secrets of {name}", state="untouched",
            todo="set them on GitHub, give them to the step by its env, and run this again",
        )  # fmt: skip


def _synced(api: PrefectApi, environment: str, secret: str) -> tuple[str, str, str]:
    """Name, block, and what became of it."""
    block = block_name(environment, secret)
    existing = api.find(f"{_TYPE}/block_documents/name/{block}")
    value = of_this_process(secret)
    if value is None:
        return secret, block, "kept" if existing else "missing"
    data = {"value": value}
    if existing:
        api.patch(f"/block_documents/{existing['id']}", {"data": data})
        return secret, block, "updated"
    api.post("/block_documents/", {"name": block, "data": data, **_kind(api)})
    return secret, block, "created"


def _kind(api: PrefectApi) -> dict[str, Any]:
    """The type and schema of Secret blocks."""
    block_type = api.get(_TYPE)
    body = {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}, "limit": 1}
    schemas = api.post("/block_schemas/filter", body)
    return {"block_type_id": block_type["id"], "block_schema_id": schemas[0]["id"]}
