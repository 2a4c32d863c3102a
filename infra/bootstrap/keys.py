"""Keys of this machine: the deploy key, and a person's own public keys."""

from __future__ import annotations

from pathlib import Path

import paramiko

from deployments.errors import WrongUse
from infra.ssh.key import check_key, check_key_file, ensure_key

COMMENT = "homeguru-deploy"
_KINDS = ("ed25519", "ecdsa", "rsa")


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
    found = (Path.home() / ".ssh" / f"id_{kind}.pub" for kind in _KINDS)
    return tuple(first_line(file) for file in found if file.is_file())


def check_way_in(key: Path | None, user: str, where: str) -> None:
    """Raise WrongUse where there is no private key that a server could be entered with as `user`."""
    if key:
        check_key_file(key, where)
        return
    folder = Path.home() / ".ssh"
    if any((folder / f"id_{kind}").is_file() for kind in _KINDS) or paramiko.Agent().get_keys():
        return
    raise WrongUse(
        f"no private key for {user} was found in {folder}, and no SSH agent has one", where=where,
        state="not contacted",
        todo="give it with --key FILE, or enter with a password: --ask-password",
    )  # fmt: skip
