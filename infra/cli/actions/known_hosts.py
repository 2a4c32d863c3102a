"""Lines of a known_hosts file, as pinned keys of one host."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from deployments.errors import WrongUse

_KEY = re.compile(r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+")


def pinned_keys(text: str, address: str, port: int) -> list[str]:
    """Keys as an environment pins them: type and base64.

    A line without a host's name is about this host. Raises WrongUse for a line about another
    one: it was pasted by mistake, and would pin nothing.
    """
    keys = [_key(line, address, port) for line in text.splitlines() if _is_entry(line)]
    if not keys:
        raise WrongUse(
            "SSH_KNOWN_HOSTS holds no key", state="not contacted", todo=_todo(address, port)
        )
    return list(dict.fromkeys(keys))


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _key(line: str, address: str, port: int) -> str:
    words = line.split()
    names = "" if _KEY.fullmatch(words[0]) else words.pop(0)
    if len(words) < 2 or not _KEY.fullmatch(words[0]):
        raise WrongUse(
            f"SSH_KNOWN_HOSTS: not a line of known_hosts: {line.strip()[:60]!r}",
            state="not contacted", todo=_todo(address, port),
        )  # fmt: skip
    wanted = address if port == 22 else f"[{address}]:{port}"
    if names and not any(_names(name, wanted) for name in names.split(",")):
        shown = "another host, its name is hashed" if names.startswith("|") else names
        raise WrongUse(
            f"SSH_KNOWN_HOSTS has a line for {shown}, the server is {wanted}",
            state="not contacted", todo=_todo(address, port),
        )  # fmt: skip
    return f"{words[0]} {words[1]}"


def _names(name: str, wanted: str) -> bool:
    """Whether a line's host is the wanted one; `|1|salt|hash` is what ssh-keyscan -H writes."""
    if not name.startswith("|1|"):
        return name == wanted
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in name.split("|")[2:4])
    except ValueError:
        return False
    computed = hmac.new(salt, wanted.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(computed, digest)


def _todo(address: str, port: int) -> str:
    words = address if port == 22 else f"-p {port} {address}"
    return f"the server's console shows them: ssh-keyscan {words}, run there, compared here"
