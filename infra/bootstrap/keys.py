"""Keys of this machine: the deploy key, and a person's own public keys."""

from __future__ import annotations

from pathlib import Path

from deployments.errors import WrongUse
from infra.ssh.key import check_key, check_key_file, ensure_key

COMMENT = "homeguru-deploy"


def deploy_key(private: Path, where: str) -> str:
    """The deploy key's public half, a line; the pair is made where there is none.

    Raises WrongUse as `check_key_file` does, and for a key that needs a passphrase.
    """
    if private.exists():
        check_key_file(private, where)
    try:
        return f"{ensure_key(private, COMMENT)} {COMMENT}"
    except Exception as error:  # each kind of key has complaints of its own
        check_key(ValueError(str(error)), private, where)
        raise


def first_line(file: Path) -> str:
    """A public key as it stands in its file; raises WrongUse for what is none."""
    lines = file.read_text(errors="replace").strip().splitlines() if file.is_file() else []
    words = lines[0].split() if lines else []
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise WrongUse(
            f"{file} is no public SSH key", state="not contacted",
            todo="a public key's file ends in .pub and is one line: ssh-ed25519 AAAA...",
        )  # fmt: skip
    return lines[0].strip()


def own_keys() -> tuple[str, ...]:
    """Public keys in ~/.ssh that ssh would offer."""
    found = (Path.home() / ".ssh" / f"id_{kind}.pub" for kind in ("ed25519", "ecdsa", "rsa"))
    return tuple(first_line(file) for file in found if file.is_file())
