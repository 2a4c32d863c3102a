"""What the gateway's access log proves of a run: which account created or approved it.

A name typed into a form is a claim. A request that carries a run's id in its path is the
act of the account that sent it. A creation carries no id yet: it is proven only when exactly
one create request lies within two seconds of the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NEAR = 2.0
"""Seconds between a create request and the run that it made."""


MACHINE_ACCOUNTS = ("trigger", "reporter", "secrets")
"""Accounts of the gateway that are no person: who holds their password is not known."""


@dataclass(frozen=True)
class GatewayEntry:
    """One request that the gateway let through. `at` in seconds since 1970."""

    at: float
    account: str
    method: str
    path: str
    status: int


def read_entries(lines: Iterable[str]) -> list[GatewayEntry]:
    """Read Caddy's JSON access log; lines of another kind, or cut ones, are left out."""
    entries = []
    for line in lines:
        try:
            row = json.loads(line)
            request = row["request"]
            entry = GatewayEntry(
                float(row["ts"]), _account(row), str(request["method"]),
                str(request["uri"]).partition("?")[0], int(row["status"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if entry.account and 200 <= entry.status < 300:
            entries.append(entry)
    return entries


def _account(row: dict[str, Any]) -> str:
    """The account, which the gateway names in its answer. `user_id` is the login: an account in exchange
    has two, and a gateway of an earlier version knew no other name."""
    named = (row.get("resp_headers") or {}).get("X-Homeguru-Account") or [""]
    # The gateway's own comes first; what the server added would come after it.
    return str(named[0] or row.get("user_id", ""))


def creator(entries: list[GatewayEntry], deployment: str, created: float) -> str:
    """Account that created a run at `created`; empty when that is not certain."""
    wanted = f"/api/deployments/{deployment}/create_flow_run"
    candidates = [
        e for e in entries
        if e.method == "POST" and e.path.rstrip("/") == wanted and abs(e.at - created) <= NEAR
    ]  # fmt: skip
    return candidates[0].account if len(candidates) == 1 else ""


def approver(entries: list[GatewayEntry], run: str) -> str:
    """Account that resumed a run; empty when the log does not say.

    Prefect answers 201 to the one who did, and 200 to whoever came after that.
    """
    path = re.compile(rf"^/api/flow_runs/{re.escape(run)}/resume/?$")
    accounts = [
        e.account for e in entries
        if e.status == 201 and e.method == "POST" and path.match(e.path)
    ]  # fmt: skip
    return accounts[-1] if accounts else ""


def asked_by_nobody_known(account: str, origin: str) -> str:
    """Why it is not proven which person asked for a run; empty where it is."""
    if origin == "schedule":
        return "a schedule asked for this run, and which person made that is not proven"
    if account in MACHINE_ACCOUNTS:
        return (
            f"the machine account {account} asked for this run, and which person did is not proven"
        )
    return "" if account else "no log of a gateway proves which account asked for this run"


def not_another(asker: str, account: str) -> str:
    """Why an approval is not one of a second person; empty where it is."""
    if not account:
        return "no log of a gateway proves which account approved the plan"
    if account in MACHINE_ACCOUNTS:
        return f"the machine account {account} approved the plan, which is no person"
    return f"{account} asked for this run, and approved it alone" if account == asker else ""
