"""What a sandbox keeps in its state folder, beside its two SSH keys: its ports."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path

from infra.machine.files import replace_file

#: The ports that the default project takes when they are free: the server's own numbers.
PREFERRED = {"api": 8003, "frontend": 3003}
PORTS = ("ssh", "api", "frontend", "registry", "telegram")
DEFAULT_PROJECT = "homeguru-demo"


def load_ports(state: Path, project: str) -> dict[str, int] | None:
    """Return the remembered host ports by purpose, None at first.

    Raises ValueError when the folder belongs to another project or is damaged.
    """
    try:
        record = json.loads((state / "sandbox.json").read_text())
    except FileNotFoundError:
        return None
    if record["project"] != project:
        raise ValueError(f"{state} belongs to the sandbox {record['project']}")
    return {name: int(record["ports"][name]) for name in PORTS}


def save_ports(state: Path, project: str, ports: dict[str, int]) -> None:
    """Remember the host ports; replaced atomically."""
    text = json.dumps({"v": 1, "project": project, "ports": ports}, indent=2)
    replace_file(state / "sandbox.json", text.encode())


def choose_ports(project: str, wanted: dict[str, int] | None) -> dict[str, int]:
    """Choose a free loopback port for each purpose, the `wanted` one where it is free."""
    first = wanted or (PREFERRED if project == DEFAULT_PROJECT else {})
    with ExitStack() as sockets:  # all held until all are chosen: no port twice
        return {name: _free(first.get(name, 0), sockets) for name in PORTS}


def _free(wanted: int, sockets: ExitStack) -> int:
    for port in dict.fromkeys((wanted, 0)):
        sock = sockets.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        # SO_REUSEADDR alone would let two bind the same port; a listener excludes others.
        sock.listen(1)
        return int(sock.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")
