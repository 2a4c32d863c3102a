"""When logins were last used, by the gateway's access log, as JSON; Python runs this text in the worker.

There and not here: the log is the machine's that carries the control plane, and may be long.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

LOG = "/var/log/homeguru/gateway"


def last_uses(folder: Path, since: float, logins: list[str]) -> dict[str, float]:
    """Login to the time of its last request that was let in; of log files that were written since then."""
    found: dict[str, float] = {}
    marks = {f'"user_id":"{login}"'.encode() for login in logins}
    for file in folder.glob("access*"):
        if file.stat().st_mtime < since:
            continue
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for line in lines:
                # Of every request of a year few are read.
                if any(mark in line for mark in marks):
                    _note(line, found)
    return {login: at for login, at in found.items() if login in logins}


def _note(line: bytes, found: dict[str, float]) -> None:
    try:
        row = json.loads(line)
        login, at, status = str(row["user_id"]), float(row["ts"]), int(row["status"])
    except (ValueError, KeyError, TypeError):
        return
    # A web socket has no status.
    if status < 400:
        found[login] = max(at, found.get(login, 0))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(last_uses(Path(LOG), float(sys.argv[1]), sys.argv[2:])))
