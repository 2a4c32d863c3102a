"""Which variables are secrets, and which of those anybody may make up."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

SecretKind = Literal["random", "asked"]
"""A value that only this application knows, or one that somebody else gave out."""

DEPLOY_KEY = "deploy-key"
"""What a person calls the key that is rotated like a secret, and is none of the environment's file."""

_SECRET = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE|DSN|WEBHOOK|APIKEY|(^|_)(KEY|PASS|PWD|PW)($|_))"
)
_NONE = re.compile(
    r"_(FILE|PATH|NAME|MINUTES|SECONDS|HOURS|DAYS|TTL|TIMEOUT|LIFETIME|LENGTH|ALGORITHM|ISSUER|AUDIENCE|ENABLED)$|"
    r"(EXPIRE|EXPIRES|EXPIRY|EXPIRATION)"
)
"""What is said about a secret, such as how long it is valid or which file holds it."""
_ASKS = re.compile(r"(^|_)(ALLOW|RANDOM|USE|HAS|IS|REQUIRES?|REQUIRED|ENABLED?|DISABLED?)(_|$)")
"""Of a switch, as images have it: whether a password may be empty, or is made up."""
_SWITCH = re.compile(r"(true|false|yes|no|on|off)", re.IGNORECASE)
_OF_A_SERVER = re.compile(
    r"(POSTGRES|MYSQL|MARIADB|REDIS|DATABASE|DB|ADMIN|ROOT|RABBITMQ\w*|MONGO\w*)_\w*PASS\w*"
)
"""Most such servers take it from a variable only when they make their data."""
_OWN = re.compile(
    r"^(JWT|SESSION|SIGNING|COOKIE|CSRF|DJANGO|FLASK|RAILS|NEXTAUTH|BETTER_AUTH)(_\w+)?_?(SECRET|KEY)(_\w+)?$|"
    r"^(SECRET|SECRET_KEY|SECRET_KEY_BASE|APP_SECRET|APP_KEY|AUTH_SECRET)$"
)


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable's value must not be seen: by its name, or a password in its address."""
    return is_named_secret(name, value) or password_of(value) != ""


def is_named_secret(name: str, value: str = "") -> bool:
    """Whether a variable's name says so, and its value is not that of a switch."""
    name = name.upper()
    switch = _SWITCH.fullmatch(value) or (_ASKS.search(name) and value in ("0", "1"))
    return bool(_SECRET.search(name)) and not _NONE.search(name) and not switch


def kind_of(name: str) -> SecretKind:
    """Who knows its value, before anything was deployed."""
    return "random" if _OWN.search(name) or is_a_servers(name) else "asked"


def is_a_servers(name: str) -> bool:
    """Whether a server may have it in its data: another value there is not made by a variable."""
    return bool(_OF_A_SERVER.search(name))


def password_of(value: str) -> str:
    """The password in an address, `scheme://user:password@host`; empty without one."""
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
