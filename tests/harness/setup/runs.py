"""Setup against the harness's Prefect server, and what a test sees of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml

from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup import SetupChange, apply

ROOT = Path(__file__).resolve().parents[3]
# The server plans runs of a schedule ahead; the longest interval plans the fewest.
DAILY = 86400
KEY = "ssh-ed25519 AAAA"


def environment(every: int = DAILY, host_keys: tuple[str, ...] = (KEY,)) -> str:
    """An environment's file: watched every so many seconds, with these pinned host keys."""
    return f"""\
v = 1
project = "acme"
directory = "/srv/acme"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "acme/{{service}}"
[host]
address = "127.0.0.1"
user = "deploy"
key_file = "id"
host_keys = {list(host_keys)}
[secrets]
file = "secrets.env"
names = ["TOKEN", "PASSWORD"]
[watch]
every = {every}
"""


class Setup:
    """A call is one `homeguru setup`: `sent` and `lines` are of the last one."""

    def __init__(self, api: PrefectApi) -> None:
        self.api = api
        self.sent: list[str] = []
        self.lines: list[str] = []
        api._client.event_hooks["request"].append(self._note)

    def _note(self, request: httpx.Request) -> None:
        if request.method != "GET" and not request.url.path.endswith("/filter"):
            self.sent.append(f"{request.method} {request.url.path.removeprefix('/api')}")

    def __call__(self, **options: Any) -> list[SetupChange]:
        self.sent.clear()
        self.lines.clear()
        return apply(self.api, self.lines.append, **options)

    def differing(self, **options: Any) -> dict[str, str]:
        """What was created, changed or removed: name to what and detail."""
        return {c.name: f"{c.what} {c.detail}".strip() for c in self(**options) if c.differs}

    def all(self, kind: str) -> list[dict[str, Any]]:
        """What the server has of a kind: `deployments`, `automations`, `v2/concurrency_limits`."""
        answer: list[dict[str, Any]] = self.api.post(f"/{kind}/filter", {"limit": 100})
        return answer

    def deployment(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get(f"/deployments/name/{name}/{name}")
        return answer

    def schedules(self) -> list[dict[str, Any]]:
        return [s for d in self.all("deployments") for s in d["schedules"]]

    def job_variables(self, pool: str) -> dict[str, Any]:
        """The defaults of a pool's job variables, of those that have one."""
        properties = self.api.get(f"/work_pools/{pool}")["base_job_template"]["variables"][
            "properties"
        ]
        return {name: p["default"] for name, p in properties.items() if p.get("default")}

    def updated(self) -> dict[str, str]:
        """When each thing was changed last, as the server says."""
        kinds = ("work_pools", "deployments", "v2/concurrency_limits", "automations", "flows")
        return {f"{kind} {x['name']}": x["updated"] for kind in kinds for x in self.all(kind)}

    def forget(self) -> None:
        """Everything that setup made is deleted."""
        for kind in ("deployments", "automations", "v2/concurrency_limits", "block_documents"):
            self._delete(kind, (x["id"] for x in self.all(kind)))
        pools = (x["name"] for x in self.all("work_pools"))
        self._delete("work_pools", (name for name in pools if name.startswith("homeguru")))

    def _delete(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            self.api.delete(f"/{kind}/{name}")


def edited(folder: Path, name: str, **changes: Any) -> Path:
    """A prefect.yaml in which the deployment of that name is changed; with none, it is gone."""
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    if changes:
        next(d for d in document["deployments"] if d["name"] == name).update(changes)
    else:
        document["deployments"] = [d for d in document["deployments"] if d["name"] != name]
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(document))
    return file
