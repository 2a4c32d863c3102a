"""What a machine has, as it answers before it becomes a host."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from deployments.host.observation import sections

_KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/=]+(?: .*)?")
_LINK_LOCAL = {68, 546, 5353, 5355}
"""DHCP's clients and names in the same network: nobody else asks them."""
_ACCOUNT_FACTS = 3
"""Lines before those of authorized_keys."""


@dataclass(frozen=True)
class Account:
    """A user of the machine. keys: lines of its authorized_keys."""

    groups: tuple[str, ...]
    may_sudo: bool
    keys: tuple[str, ...]

    def accepts(self, key: str) -> bool:
        """Whether it accepts a public key, whatever the comment behind it."""
        return any(line.split()[:2] == key.split()[:2] for line in self.keys)


def different(keys: Iterable[str]) -> tuple[str, ...]:
    """Each key once, in order: one may stand in several files, with another comment in each."""
    first: dict[tuple[str, ...], str] = {}
    for key in keys:
        first.setdefault(tuple(key.split()[:2]), key)
    return tuple(first.values())


@dataclass(frozen=True)
class Machine:
    """Everything that a bootstrap's plan needs to know.

    sshd: its settings in effect, by lower-case name. listening: ports, TCP and UDP, that other
    machines could reach. Files are None where they are not there.
    """

    facts: dict[str, str]
    root: Account | None
    user: Account | None
    administrator: Account | None
    owner: str
    """Who owns the environment's directory; empty where there is none."""
    sshd: dict[str, tuple[str, ...]]
    listening: frozenset[int]
    packages: frozenset[str]
    daemon: str | None
    sshd_file: str | None
    firewall_file: str | None

    def says(self, fact: str) -> bool:
        """Whether it answered yes."""
        return self.facts.get(fact) == "yes"

    def number(self, fact: str) -> int:
        """A fact as a number; 0 where it said none."""
        text = self.facts.get(fact, "")
        return int(text) if text.isdecimal() else 0

    @property
    def in_swarm(self) -> bool:
        """Whether its engine is part of a swarm."""
        return self.facts.get("swarm") == "active"

    @property
    def system(self) -> str:
        """Distribution and version, such as `debian 13`."""
        return f"{self.facts.get('distribution', '')} {self.facts.get('version', '')}".strip()

    @property
    def ssh_ports(self) -> tuple[int, ...]:
        """Where its sshd listens."""
        return tuple(int(p) for p in self.sshd.get("port", ("22",)) if p.isdecimal())


def read_machine(output: str) -> Machine:
    """Read the answer to `shell.machine.survey`."""
    answer = sections(output)
    return Machine(
        facts=_facts(answer.get("facts", "")),
        root=_account(answer.get("root", "")),
        user=_account(answer.get("user", "")),
        administrator=_account(answer.get("administrator", "")),
        owner=answer.get("owner", "").strip(),
        sshd=_settings(answer.get("sshd", "")),
        listening=frozenset(_reachable(answer.get("listening", "").split())),
        packages=frozenset(answer.get("packages", "").split()),
        daemon=answer.get("daemon"),
        sshd_file=answer.get("sshd_file"),
        firewall_file=answer.get("firewall_file"),
    )


def _facts(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _account(text: str) -> Account | None:
    if not text.strip():
        return None
    lines = text.splitlines()
    # What follows is the account's own file, in which anything may stand.
    facts = _facts("\n".join(lines[:_ACCOUNT_FACTS]))
    keys = tuple(line.strip() for line in lines[_ACCOUNT_FACTS:] if _KEY.fullmatch(line.strip()))
    return Account(tuple(facts.get("groups", "").split()), facts.get("sudo") == "yes", keys)


def _settings(text: str) -> dict[str, tuple[str, ...]]:
    """`sshd -T` prints a setting a line; some, such as port, have several."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found[name.lower()] = (*found.get(name.lower(), ()), value.strip())
    return found


def _reachable(sockets: list[str]) -> list[int]:
    """Ports of sockets that are not bound to this machine alone; `0100007F:0016` is 127.0.0.1:22."""
    ports = []
    for socket in sockets:
        address, _, rest = socket.partition(":")
        number, _, udp = rest.partition("/")
        if re.fullmatch(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}", address) and not _loopback(address):
            port = int(number, 16)
            if not (udp and port in _LINK_LOCAL):
                ports.append(port)
    return ports


def _loopback(address: str) -> bool:
    # Words of 32 bits, each with its lowest byte first.
    words = [address[n : n + 8] for n in range(0, len(address), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    found = ipaddress.ip_address(packed)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
