"""The private key that a connection is made with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from deployments.errors import WrongUse
from infra.machine.files import is_file, read_text, replace_file


def check_key_file(path: Path, where: str) -> None:
    """Raise WrongUse when the key is not there, is a public one, or others can read it."""
    if not is_file(path):
        raise WrongUse(
            f"SSH key file {path} does not exist", where=where, state="not contacted",
            todo=f"correct `key_file`, or make one: ssh-keygen -t ed25519 -N '' -f {shlex.quote(str(path))}",
        )  # fmt: skip
    if _is_public(path):
        private = path.with_suffix("") if path.suffix == ".pub" else "the file beside it"
        raise WrongUse(
            f"{path} is the public half of a key", where=where, state="not contacted",
            todo=f"`key_file` names the private one: {private}",
        )  # fmt: skip
    if path.stat().st_mode & 0o077:
        raise WrongUse(
            f"SSH key file {path} can be read by others",
            where=where,
            state="not contacted",
            todo=f"chmod 600 {shlex.quote(str(path))}",
        )


def check_key(error: Exception, path: Path, where: str) -> None:
    """Raise WrongUse when a connection failed by its key: the server would be blamed for it."""
    about = isinstance(error, paramiko.AuthenticationException | ValueError)
    if not about and "private key" not in str(error):
        return
    try:
        paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):  # the latter is cryptography's
        raise WrongUse(
            f"SSH key {path} needs a passphrase, and nobody is there to type it", where=where,
            state="not contacted",
            todo=f"make one for this alone: ssh-keygen -t ed25519 -N '' -f {shlex.quote(f'{path}_deploy')}; name "
            "it in `key_file`, and add its .pub to the server's authorized_keys",
        ) from None  # fmt: skip
    except Exception:
        raise WrongUse(
            f"{path} is no private SSH key", where=where, state="not contacted",
            todo="key_file names the private half, which begins with -----BEGIN",
        ) from None  # fmt: skip


def ensure_key(path: Path, comment: str = "") -> str:
    """The public half ("ssh-ed25519 AAAA...") of the key in `path`, which is made where it is missing.

    One that is made has OpenSSH's private format and mode 0600; with a comment its public half lies beside it.
    Raises ValueError, TypeError or cryptography's errors for a file that is no key without a passphrase.
    """
    if not path.exists():
        _make_key(path, comment)
    data = path.read_bytes()
    # A cloud's console, and `ssh-keygen -m PEM`, give the older format.
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    return _public_half(load(data, password=None))


def _make_key(path: Path, comment: str) -> None:
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    replace_file(path, text)
    if comment:
        write_public(path, f"{_public_half(key)} {comment}")


def write_public(private: Path, line: str) -> None:
    """The public half beside the private one."""
    replace_file(public_file(private), f"{line}\n".encode(), 0o644)


def public_file(private: Path) -> Path:
    """Where the public half lies."""
    return private.with_name(f"{private.name}.pub")


def _public_half(key: Any) -> str:
    half: bytes = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return half.decode()


def _is_public(path: Path) -> bool:
    return read_text(path, errors="replace").startswith(("ssh-", "ecdsa-", "sk-"))
