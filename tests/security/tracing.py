"""Every process start on this machine, its containers included, with its words.

`python tracing.py ROOT...` runs until its standard input ends and prints one JSON list a start: whether it
descends from a process of those ids, its id, its words. The last line is a JSON object of counts. Linux
tells of each `execve` through its process connector; it needs CAP_NET_ADMIN and the first PID namespace.
What has ended before its words were read is counted as missed.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

CONNECTOR, PROC_INDEX, LISTEN = 11, 1, 1
FORK, EXEC = 0x1, 0x2
RECEIVE_FORCED = 33
EVERY = 0.5
"""Seconds between looks at the words of what runs: a program may write others over its own."""


def opened() -> socket.socket:
    """A socket that is told of every process."""
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, CONNECTOR)
    found.setsockopt(socket.SOL_SOCKET, RECEIVE_FORCED, 64 << 20)
    found.bind((0, PROC_INDEX))
    wanted = struct.pack("=IIIIHHI", PROC_INDEX, 1, 0, 0, 4, 0, LISTEN)
    found.send(struct.pack("=IHHII", 16 + len(wanted), 3, 0, 0, 0) + wanted)
    return found


def words(pid: int) -> str:
    """The words of a process; empty when it has ended, or has none."""
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb", buffering=0) as file:
            return file.read(1 << 22).decode("latin-1")
    except OSError:
        return ""


def descendants(roots: set[int]) -> set[int]:
    """Processes that run now and come from these."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_bytes().rpartition(b")")[2].split()[1])
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


class Trace:
    """What was seen so far."""

    def __init__(self, roots: set[int]) -> None:
        self.ours = descendants(roots)
        self.counts = {"starts": 0, "ours": 0, "missed": 0, "lost": 0}
        self._shown: dict[int, str] = {}

    def see(self, data: bytes) -> None:
        """One message of the kernel."""
        # Behind the headers of netlink and connector: kind, processor, time; then the event's own numbers.
        kind, own = struct.unpack_from("=I", data, 36)[0], data[52:].ljust(16, b"\0")
        _, second, _, fourth = struct.unpack_from("=IIII", own)
        if kind == FORK:
            # parent, parent's group, child, child's group: a thread is no new process.
            if second in self.ours:
                self.ours.add(fourth)
        elif kind == EXEC:
            self._started(second)

    def _started(self, pid: int) -> None:
        said = words(pid)
        ours = pid in self.ours
        self.counts["starts"] += 1
        self.counts["ours"] += ours
        self.counts["missed"] += ours and not said
        if said:
            self._shown[pid] = said
            print(json.dumps([ours, pid, said]))

    def look_again(self) -> None:
        """What runs of ours and says something else by now."""
        for pid in list(self.ours):
            said = words(pid)
            if not said:
                self.ours.discard(pid)
            elif self._shown.get(pid) != said:
                self._shown[pid] = said
                print(json.dumps([True, pid, said]))


def main(roots: set[int]) -> None:
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    told, trace, due = opened(), Trace(roots), 0.0
    print(json.dumps({"begun": True}), flush=True)
    while True:
        ready, _, _ = select.select([told, sys.stdin], [], [], EVERY)
        if told in ready:
            try:
                trace.see(told.recv(4096))
            except OSError:
                trace.counts["lost"] += 1
        elif sys.stdin in ready:
            break
        if (now := time.monotonic()) > due:
            due = now + EVERY
            trace.look_again()
    print(json.dumps(trace.counts), flush=True)


if __name__ == "__main__":
    main({int(word) for word in sys.argv[1:]})
