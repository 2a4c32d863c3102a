"""A Git URL as a source: cloned for one publication, then removed."""

from __future__ import annotations

import base64
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deployments.environment.documents import EXAMPLE
from deployments.environment.sources import is_url, over_ssh, ssh_host
from deployments.errors import WrongUse
from infra.machine.processes import run
from infra.ssh.key import check_key_file


@dataclass(frozen=True)
class Access:
    """What a URL is fetched with. token: for `https://` alone. The rest is for SSH."""

    token: str = ""
    key_file: Path | None = None
    host_keys: tuple[str, ...] = ()


def refuse_credentials(source: str) -> None:
    """Raises WrongUse for a Git URL with a password or a token in it: parameters are kept for years."""
    if not is_url(source):
        return
    if urlsplit(source).password or (urlsplit(source).username and source.startswith("http")):
        raise WrongUse(
            "the Git URL holds credentials, which a run's parameters would keep in Prefect's history",
            state="untouched",
            todo="name the token's secret as `source_token` in the environment; revoke this one if "
            "it was typed into Prefect's form",
        )


_TODO = (
    "check the address; a private one needs `source_token`, a secret's name; where it says redirect, "
    "name the address that it leads to"
)
_SSH_TODO = (
    "check the address, that the server knows the public half of `source_key_file`, and that "
    "`source_host_keys` holds its keys as its provider shows them"
)


@contextmanager
def local(source: str, ref: str, access: Access | None = None) -> Iterator[tuple[Path, str]]:
    """The source as a folder on this machine, and the ref to take in it."""
    if not is_url(source):
        yield Path(source), ref
        return
    refuse_credentials(source)
    with tempfile.TemporaryDirectory(prefix="homeguru-clone-") as folder:
        into = Path(folder) / "source"
        env = {**_settings(source, access or Access()), **_ssh(source, access, Path(folder))}
        words = ("git", "clone", "--quiet", "--no-checkout", "--", source, str(into))
        completed = run(*words, env=env, timeout=600)
        if completed.code != 0:
            raise WrongUse(
                f"git clone: {completed.stderr.strip()[-300:]}", where=source, state="untouched",
                todo=_SSH_TODO if over_ssh(source) else _TODO,
            )  # fmt: skip
        yield into, _commit(into, source, ref)


def _settings(source: str, access: Access) -> dict[str, str]:
    """Git's settings for one clone, by its environment: never in its words, where others see them.

    The token is a header for this very address, and no redirect is followed: it goes nowhere
    else. No other credentials of this machine are offered.
    """
    settings = {"http.followRedirects": "false", "credential.helper": ""}
    if access.token and source.startswith("https://"):
        basic = base64.b64encode(f"x-access-token:{access.token}".encode()).decode()
        settings[f"http.{source}.extraHeader"] = f"Authorization: Basic {basic}"
    numbered = {
        f"GIT_CONFIG_{kind}_{number}": text
        for number, pair in enumerate(settings.items())
        for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **numbered,
    }


def _ssh(source: str, access: Access | None, folder: Path) -> dict[str, str]:
    """How Git calls ssh: one key of our own, the host's pinned keys, nothing of a person's."""
    if not over_ssh(source):
        return {}
    if access is None or access.key_file is None or not access.host_keys:
        raise WrongUse(
            "a source over SSH needs `source_key_file` and `source_host_keys`", where=source,
            state="untouched", todo=f"{EXAMPLE} shows both",
        )  # fmt: skip
    check_key_file(access.key_file, source)
    if not shutil.which("ssh"):
        raise WrongUse(
            "a source over SSH needs Git's own client, and there is no ssh client on this machine",
            where=source, state="untouched", todo="install it: apt-get install openssh-client",
        )  # fmt: skip
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("".join(f"{ssh_host(source)} {key}\n" for key in access.host_keys))
    options = {
        "IdentitiesOnly": "yes", "IdentityAgent": "none", "BatchMode": "yes",
        "StrictHostKeyChecking": "yes", "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null", "UpdateHostKeys": "no", "ConnectTimeout": "15",
        "ForwardAgent": "no", "PreferredAuthentications": "publickey",
    }  # fmt: skip
    words = ["ssh", "-F", "/dev/null", "-i", str(access.key_file)]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return {"GIT_SSH_COMMAND": shlex.join(words), "GIT_SSH_VARIANT": "ssh", "SSH_AUTH_SOCK": ""}


def _commit(folder: Path, source: str, ref: str) -> str:
    """The commit that a branch, tag or commit of the remote means."""
    words = ("git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "--end-of-options")
    for name in (f"origin/{ref}", ref):
        completed = run(*words, f"{name}^{{commit}}")
        if completed.code == 0:
            return completed.stdout.strip()
    raise WrongUse(
        f"no branch, tag or commit {ref!r}", where=source, state="untouched",
        todo="`git ls-remote` shows what is there",
    )  # fmt: skip
