"""What a person chose for a control plane, and the state folder that keeps it."""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import shlex
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deployments.errors import WrongUse

PROJECT = "homeguru-control"
FIRST_FOLDER = "~/.local/state/homeguru/control-plane, unless HOMEGURU_STATE names another"
"""Where a machine keeps the control plane that was put up from it, for messages."""


@dataclass(frozen=True)
class Settings:
    """`address` is a domain (a certificate by ACME) or an IP address or localhost (own CA).

    `environments` and `keys` are folders of this machine whose files `up` brings into the
    control plane. `host` is "" for this machine, or user@address[:port] over SSH.
    """

    address: str = "localhost"
    project: str = PROJECT
    http: int = 80
    https: int = 443
    bind: str = "0.0.0.0"  # noqa: S104  a gateway is there to be reached
    environments: str = ""
    keys: str = ""
    host: str = ""
    host_key: str = ""
    """The only host key that is accepted: "ssh-ed25519 AAAA..."."""
    ssh_key: str = ""
    builder: str = ""
    """DOCKER_HOST of the process worker, for a publish there; empty: it cannot build."""
    recipient: str = ""
    """age1...: whom backups are encrypted for."""

    @property
    def tls(self) -> str:
        """Where the gateway's certificate comes from: acme or internal."""
        return "internal" if _is_bare(self.address) else "acme"

    @property
    def url(self) -> str:
        """Address of the pages; the API is below /api."""
        name = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{name}" if self.https == 443 else f"https://{name}:{self.https}"

    @property
    def listens(self) -> str:
        """The address to listen on, as Compose reads it before a port."""
        return f"[{self.bind}]" if ":" in self.bind else self.bind

    def check(self) -> Settings:
        """Raise WrongUse for what cannot work; returns itself."""
        if not (_is_bare(self.address) or re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", self.address)):
            raise WrongUse(
                f"not a domain or an IP address: {self.address!r}",
                state="untouched",
                todo="--address prefect.example.org, or an IP address",
            )
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", self.project):
            raise WrongUse(
                f"not a project name (a-z, 0-9, -): {self.project!r}",
                state="untouched",
                todo="correct `project` in settings.json of the control plane's state",
            )
        if self.tls == "acme" and (self.http, self.https) != (80, 443):
            raise WrongUse(
                f"a certificate for {self.address} needs the ports 80 and 443",
                state="untouched", todo="leave --http and --https out, or give an IP address",
            )  # fmt: skip
        if not all(0 < port < 65536 for port in (self.http, self.https)):
            raise WrongUse(
                f"no ports: {self.http} and {self.https}",
                state="untouched",
                todo="two numbers from 1 to 65535",
            )
        if not _is_ip(self.bind):
            raise WrongUse(
                f"--bind is no IP address: {self.bind!r}", state="untouched",
                todo="--bind 127.0.0.1 for this machine alone, --bind 0.0.0.0 for every address of it",
            )  # fmt: skip
        if self.ssh_key and not Path(self.ssh_key).is_file():
            raise WrongUse(
                f"--ssh-key: no file {self.ssh_key}",
                state="untouched",
                todo="name the private key's file",
            )
        if self.host_key and not re.fullmatch(r"\S+ [A-Za-z0-9+/=]{20,}( .*)?", self.host_key):
            raise WrongUse(
                f"--host-key is no public key: {self.host_key[:40]!r}", state="untouched",
                todo="the first two words of the server's .pub file: ssh-ed25519 AAAA...",
            )  # fmt: skip
        for name in ("environments", "keys"):
            if (folder := getattr(self, name)) and not Path(folder).is_dir():
                raise WrongUse(
                    f"--{name}: no folder {folder}",
                    state="untouched",
                    todo=f"name a folder that is there, or: mkdir -p {shlex.quote(folder)}",
                )
        return self


class State:
    """The folder of one control plane, 0700: settings, secrets and accounts, each 0600."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self) -> Settings:
        """The settings of the last `up`; raises WrongUse when there was none."""
        try:
            return Settings(**json.loads((self.folder / "settings.json").read_text()))
        except FileNotFoundError:
            raise WrongUse(
                "no control plane was put up from here", where=str(self.folder),
                todo="homeguru control-plane up --address NAME; where one was put up from another machine "
                f"or by another user, work there, or copy that one's folder here: {FIRST_FOLDER}",
            ) from None  # fmt: skip
        except (ValueError, TypeError) as error:
            raise WrongUse(
                f"settings.json cannot be read: {error}", where=str(self.folder),
                todo="correct it, or move it aside and give `homeguru control-plane up` its settings again",
            ) from None  # fmt: skip

    @property
    def has_settings(self) -> bool:
        """Whether a control plane was put up from here."""
        return (self.folder / "settings.json").exists()

    def choose(self, **chosen: Any) -> Settings:
        """The kept settings with what was chosen now, checked; not kept yet."""
        current = self.settings() if self.has_settings else Settings()
        return replace(current, **{k: v for k, v in chosen.items() if v is not None}).check()

    def keep(self, settings: Settings) -> bool:
        """Write the settings; whether they differ from before."""
        return self.write("settings.json", json.dumps(asdict(settings), indent=1) + "\n")

    def secret(self, name: str) -> str:
        """A secret of the control plane, made at its first use."""
        file = self.folder / name
        if not file.exists():
            key = secrets.token_bytes(32)
            # The form of a Fernet key; as a password it is as good as any.
            self.write(name, urlsafe_b64encode(key).decode())
        return file.read_text().strip()

    def write(self, name: str, text: str) -> bool:
        """Write a file that only its owner may read; whether it changed anything."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        file = self.folder / name
        if file.exists() and file.read_text() == text:
            return False
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(text)
        part.replace(file)
        return True


def _is_bare(address: str) -> bool:
    return address == "localhost" or _is_ip(address)


def _is_ip(address: str) -> bool:
    try:
        # A zone, fe80::1%eth0, is of one machine alone, and Docker takes none.
        return not getattr(ipaddress.ip_address(address), "scope_id", None)
    except ValueError:
        return False
