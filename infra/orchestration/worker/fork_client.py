"""The process that a worker starts for a run: what it is told is carried out by one that was forked.

`python -I -S fork_client.py SOCKET`: what it inherits goes to the fork server, signals too, and it ends
as the forked process ends. Where no fork server answers, it becomes the process that Prefect starts
itself. It imports little: each run waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType

ENGINE = "prefect.engine"
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
SIZE = 8
"""Bytes of every number that is sent."""


def main(address: str) -> None:
    """Carry a run out; does not return."""
    try:
        talk = _asked(address)
    except OSError:
        os.execv(sys.executable, [sys.executable, "-m", ENGINE])  # noqa: S606
    answer = b""
    while len(answer) < SIZE:
        part = talk.recv(SIZE - len(answer))
        if not part:
            # The fork server is gone, and with it whoever would say how the run ended.
            os.kill(os.getpid(), signal.SIGKILL)
        answer += part
    code = int.from_bytes(answer, "big", signed=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _asked(address: str) -> socket.socket:
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(address)
    cwd = os.getcwd()  # noqa: PTH109  pathlib takes longer to import than all of the rest
    request = json.dumps({"cwd": cwd, "environment": dict(os.environ)}).encode()

    def pass_on(number: int, _: FrameType | None) -> None:
        talk.sendall(number.to_bytes(SIZE, "big"))

    # One that comes before the request has been sent ends this process, and the server drops it.
    socket.send_fds(talk, [len(request).to_bytes(SIZE, "big")], [0, 1, 2])
    talk.sendall(request)
    for number in PASSED_ON:
        signal.signal(number, pass_on)
    return talk


if __name__ == "__main__":
    main(sys.argv[1])
