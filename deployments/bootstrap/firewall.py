"""Which ports other machines reach: nftables rules in front of Docker's own.

Docker lets every published port in by rules of its own, before those that a firewall on `input` has.
These are asked before an address is translated, so that they hold for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TEXT = """\
# Written by the bootstrap of HomeGuru Deploy; the next one writes it again.
table inet homeguru_host
delete table inet homeguru_host
table inet homeguru_host {{
    chain incoming {{
        type filter hook prerouting priority -150; policy accept;
        iifname {{ "lo", "docker0", "docker_gwbridge" }} accept
        iifname "br-*" accept
        iifname "veth*" accept
        iifname "virbr*" accept
        iifname "lxdbr*" accept
        fib daddr type != local accept
        ct state established,related accept
        ip protocol icmp accept
        meta l4proto ipv6-icmp accept
        udp dport {{ 68, 546 }} accept comment "answers of DHCP"
        tcp dport {{ {ssh} }} accept comment "SSH"
        {application}counter drop
    }}
    # Nobody outside names a container's own address: only what Docker has translated goes there.
    chain forwarded {{
        type filter hook forward priority -10; policy accept;
        iifname {{ "docker0", "docker_gwbridge" }} accept
        iifname "br-*" accept
        ct state established,related accept
        ct status dnat accept
        oifname {{ "docker0", "docker_gwbridge" }} counter drop
        oifname "br-*" counter drop
    }}
}}
"""


def rules(ssh: Iterable[int], application: Iterable[int]) -> str:
    """The rules file. ssh: ports of sshd. application: others that other machines may reach, TCP and UDP."""
    first, other = sorted(set(ssh)), sorted(set(application) - set(ssh))
    line = f"meta l4proto {{ tcp, udp }} th dport {{ {_listed(other)} }} accept\n        "
    return _TEXT.format(ssh=_listed(first), application=line if other else "")


def allowed(text: str) -> set[int]:
    """Ports that a rules file lets in, those of DHCP's answers left out."""
    sets = re.findall(r"(?:tcp|th) dport \{ ([\d, ]+) \} accept", text)
    return {int(word) for ports in sets for word in ports.split(",")}


def is_inside(interface: str) -> bool:
    """Whether an interface is taken for one of containers or virtual machines."""
    return bool(re.fullmatch(r"lo|docker0|docker_gwbridge|(br-|veth|virbr|lxdbr).*", interface))


def _listed(ports: Iterable[int]) -> str:
    return ", ".join(map(str, ports))
