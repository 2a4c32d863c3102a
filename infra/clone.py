"""A Git URL as a source: cloned for one publication, then removed."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deployments.errors import WrongUse
from infra.local import run


def is_url(source: str) -> bool:
    """Whether a source is a Git URL rather than a folder here."""
    return bool(re.match(r"(https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", source))


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


@contextmanager
def local(source: str, ref: str, token: str = "") -> Iterator[tuple[Path, str]]:
    """The source as a folder on this machine, and the ref to take in it.

    token: for an `https://` URL; it reaches git through its environment, never its words.
    """
    if not is_url(source):
        yield Path(source), ref
        return
    refuse_credentials(source)
    with tempfile.TemporaryDirectory(prefix="homeguru-clone-") as folder:
        env = {"GIT_TERMINAL_PROMPT": "0", **_credentials(token)}
        done = run("git", "clone", "--quiet", "--no-checkout", source, folder, env=env, timeout=600)
        if done.code != 0:
            raise WrongUse(
                f"git clone: {done.stderr.strip()[-300:]}", where=source, state="untouched",
                todo="check the address; a private one needs `source_token`, a secret's name",
            )  # fmt: skip
        yield Path(folder), _commit(Path(folder), source, ref)


def _credentials(token: str) -> dict[str, str]:
    if not token:
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


def _commit(folder: Path, source: str, ref: str) -> str:
    """The commit that a branch, tag or commit of the remote means."""
    for name in (f"origin/{ref}", ref):
        done = run(
            "git", "-C", str(folder), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"
        )
        if done.code == 0:
            return done.stdout.strip()
    raise WrongUse(
        f"no branch, tag or commit {ref!r}", where=source, state="untouched",
        todo="`git ls-remote` shows what is there",
    )  # fmt: skip
