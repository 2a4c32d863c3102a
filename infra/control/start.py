"""Start Prefect inside the server's container: secrets come from files, never from argv.

`python -m infra.control.start server start` becomes `prefect server start`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

SECRETS = Path("/run/homeguru")


def variables(folder: Path) -> dict[str, str]:
    """What the server must know and nobody else: the database's address, the blocks' key."""
    password = quote((folder / "database" / "password").read_text().strip(), safe="")
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
            f"postgresql+asyncpg://prefect:{password}@postgres:5432/prefect"
        ),
        # Secret blocks are unreadable in the database and in its backups.
        "PREFECT_SERVER_ENCRYPTION_KEY": (folder / "server" / "encryption-key").read_text().strip(),
    }


if __name__ == "__main__":
    os.environ.update(variables(SECRETS))
    os.execvp("prefect", ["prefect", *sys.argv[1:]])  # noqa: S606  in the same process: it gets the signals
