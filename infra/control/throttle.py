"""How many wrong passwords an address of a client may send. Kept in memory: a restart forgets.

Counted by address and never by account, so that nobody can lock an account out from elsewhere.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

WRONG = 10
"""Wrong passwords after which an address has to wait."""
WITHIN = 900.0
"""Seconds for which a wrong password counts."""
REMEMBERED = 10_000
"""Addresses that are kept. Beyond it the one whose last wrong password is longest ago is forgotten."""


@dataclass
class Throttle:
    """Wrong passwords by client; `clock` never goes back."""

    clock: Callable[[], float] = time.monotonic
    remembered: int = REMEMBERED
    _wrong: dict[str, list[float]] = field(default_factory=dict)
    """Client to the times of its last wrong passwords, the client with the newest one last."""

    def wait(self, address: str) -> float:
        """Seconds until this address may send a password; 0 when it may now."""
        times = self._wrong.get(client(address), [])
        if len(times) < WRONG:
            return 0.0
        return max(0.0, times[0] + WITHIN - self.clock())

    def wrong(self, address: str) -> None:
        """Note that this address sent a wrong password."""
        now, who = self.clock(), client(address)
        recent = [t for t in self._wrong.pop(who, []) if t > now - WITHIN]
        self._wrong[who] = [*recent, now][-WRONG:]
        self._forget(now)

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._wrong)

    def _forget(self, now: float) -> None:
        # The order is that of the last wrong password: whoever is first is forgotten first.
        while self._wrong:
            oldest = next(iter(self._wrong))
            if len(self._wrong) <= self.remembered and self._wrong[oldest][-1] > now - WITHIN:
                return
            del self._wrong[oldest]


def client(address: str) -> str:
    """What an address is counted as: a whole /64 of IPv6 belongs to one client. Raises ValueError."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
