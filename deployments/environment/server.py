"""An environment's server, who logs in where, and which secrets it names: tables of its file."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from deployments.fields import (
    Domain,
    HostKey,
    Ipv4,
    Network,
    Port,
    Strict,
    Url,
    UserName,
    VariableName,
    form,
)

ADDRESS = r"^([A-Za-z0-9.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$"
"""A name, or an address, of IPv6 with two colons at least: one alone would stand before a port."""


class HostAddress(Strict):
    """How the server is reached. `host_keys` are pinned: an unknown key means stop."""

    address: Annotated[
        str,
        form(
            ADDRESS,
            "a host's name or IP address, without user and port; the port is the key `port`",
        ),
    ]
    """Name or IP address."""
    port: Port = 22
    """Port of its SSH server."""
    user: UserName
    """User there, in the group `docker`, owner of the directory."""
    key_file: str
    """Private key on this machine, 0600, relative to the TOML."""
    host_keys: tuple[HostKey, ...]
    """The server's own keys, `ssh-ed25519 AAAA...` each; empty: every connection is refused."""
    tunnel_registry: bool = False
    """Give the server the deployer's registry through an SSH reverse tunnel."""


class Secrets(Strict):
    """Names only. Values come from the process environment, then from the 0600 `file`."""

    file: str = ""
    """File of the values, 0600, relative to the TOML; never committed."""
    names: tuple[VariableName, ...] = ()
    """Every secret that the containers or the registry's login need."""


class RegistryLogin(Strict):
    """Names of the variables that hold a registry's user and token; empty means anonymous."""

    user: VariableName
    """Name of the secret that holds the user."""
    token: VariableName
    """Name of the secret that holds the token."""


EDGE_ADDRESS = "EDGE_ADDRESS"
EDGE_VARIABLES = ("EDGE_DOMAIN", "EDGE_EMAIL", "EDGE_ACME", EDGE_ADDRESS)


class EdgeSettings(Strict):
    """How the application is reached by name: HTTPS with certificates that renew themselves."""

    domain: Domain | Literal[""] = ""
    """The page's name, and the API's below it, `api.<domain>`; empty means no TLS."""
    email: (
        Annotated[str, form(r"^[^@\s]+@[^@\s]+$", "an address reads name@example.org")]
        | Literal[""]
    ) = ""
    """Whom the certificate authority writes to."""
    acme: Url | Literal[""] = ""
    """Directory of another certificate authority than Let's Encrypt."""
    listen: Ipv4 | Literal[""] = ""
    """Address of the server on which the edge's ports are open, such as `127.0.0.1`; empty: all."""
    proxies: tuple[Network, ...] = ()
    """Addresses of proxies of your own before the edge: their `X-Forwarded-*` are believed."""
    status_page: (
        Annotated[
            str,
            form(
                r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$",
                "a path reads /status, of letters, digits and . _ -, and is not / itself",
                100,
            ),
        ]
        | Literal[""]
    ) = ""
    """Path at which the edge shows everybody the status page, such as `/status`; empty: nowhere."""

    @property
    def variables(self) -> dict[str, str]:
        """What the Compose file reads of it."""
        tls = (self.domain, self.email, self.acme) if self.domain else ("", "", "")
        values = dict(zip(EDGE_VARIABLES, (*tls, self.listen), strict=True))
        return {name: value for name, value in values.items() if value}

    @property
    def for_the_server_alone(self) -> bool:
        """Whether only programs of the server itself reach the edge's ports."""
        return bool(self.listen) and ipaddress.IPv4Address(self.listen).is_loopback
