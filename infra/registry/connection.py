"""One registry, asked over HTTP: its login, its token service, and its refusals as sentences.

Source: token flow of Docker Registry v2.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

import httpx

from deployments.errors import HomeguruError, Refused, Unreachable
from deployments.image_name import HUB

_DOCKER_HUB = {HUB: "registry-1.docker.io"}
_BUSY = (429, 500, 502, 503, 504)


class RegistryConnection:
    """Asks one registry host. `login` is (user, token); None means anonymous."""

    def __init__(
        self,
        host: str,
        login: tuple[str, str] | None,
        transport: httpx.BaseTransport | None,
        named: str,
    ) -> None:
        """named: the key of the environment, or what else, that says this host."""
        self._named = named
        self._host = host
        self._login = login
        self._tokens: dict[str, str] = {}
        scheme = "http" if _is_this_machine(host) else "https"
        self._client = httpx.Client(
            base_url=f"{scheme}://{_DOCKER_HUB.get(host, host)}",
            timeout=httpx.Timeout(30, connect=10),
            transport=transport or httpx.HTTPTransport(retries=2),
            follow_redirects=True,
        )

    @property
    def is_unencrypted(self) -> bool:
        """Whether it is spoken to by plain HTTP."""
        return self._client.base_url.scheme == "http"

    def close(self) -> None:
        """Close what is open to it."""
        self._client.close()

    def send(
        self, method: str, path: str, *, scope: str, content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Its answer, whatever the status; with a token for this scope where it asks for one."""
        sent = dict(headers or {})
        if not self._is_own(path):
            # The registry chooses this address (an upload's, the next page's): no token goes there.
            return self._sent(method, path, content, sent)
        if scope in self._tokens:
            sent["Authorization"] = self._tokens[scope]
        answer = self._sent(method, path, content, sent)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # no token yet, or it ran out
            self._tokens[scope] = self._authorize(answer, scope)
            sent["Authorization"] = self._tokens[scope]
            answer = self._sent(method, path, content, sent)
        return answer

    def _is_own(self, path: str) -> bool:
        url, base = self._client.base_url.join(path), self._client.base_url
        return (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)

    def _sent(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        return self._answered(
            lambda: self._client.request(method, path, content=content, headers=headers)
        )

    def _answered(self, ask: Callable[[], httpx.Response], service: str = "") -> httpx.Response:
        """What it answers; raises Unreachable where nothing does. service: that gives its tokens."""
        try:
            return ask()
        except (httpx.RequestError, httpx.InvalidURL) as error:
            reason = str(error) if "CERTIFICATE" in str(error) else type(error).__name__
            raise Unreachable(
                f"{service or f'registry {self._host}'} does not answer: {reason}",
                state="untouched",
                todo=f"is it running, can this machine reach it, and is its name right in {self._named}?",
            ) from None

    def no_registry(self, answer: str) -> Unreachable:
        """The error for an answer that no registry gives."""
        return Unreachable(
            f"registry {self._host} answers {answer}", state="untouched",
            todo=f"is its name right in {self._named}, and is it a registry?",
        )  # fmt: skip

    def json(self, answer: httpx.Response, subject: str) -> dict[str, Any]:
        """What it answered; raises Unreachable where that is no JSON."""
        try:
            data = answer.json()
        except ValueError:
            raise self.no_registry(f"no JSON for {subject}") from None
        if not isinstance(data, dict):
            raise self.no_registry(f"no JSON object for {subject}")
        return data

    def _authorize(self, refused: httpx.Response, scope: str) -> str:
        """Answer a 401: basic credentials, or a bearer token for the scope."""
        challenge = refused.headers.get("WWW-Authenticate", "")
        basic = httpx.BasicAuth(*self._login) if self._login else None
        if challenge.lower().startswith("basic"):
            if basic is None:
                return ""
            request = next(basic.auth_flow(httpx.Request("GET", self._client.base_url)))
            return str(request.headers["Authorization"])
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in fields:
            return ""
        if basic and not self._may_have_password(fields["realm"]):
            raise Refused(
                f"registry {self._host} asks for its password at {fields['realm']}, unencrypted",
                state="untouched", todo="a token service is reached over https: ask who runs it",
            )  # fmt: skip
        params = {"scope": scope} if scope else {}
        if "service" in fields:
            params["service"] = fields["service"]
        answer = self._answered(
            lambda: self._client.get(fields["realm"], params=params, auth=basic),
            f"{fields['realm']}, where registry {self._host} gives its tokens,",
        )
        if answer.status_code in _BUSY:
            raise self._busy(answer, "for a token")
        if not answer.is_success:
            return ""
        token = self.json(answer, "a token")
        return f"Bearer {token.get('token') or token.get('access_token')}"

    def _may_have_password(self, realm: str) -> bool:
        """A token service may have another name than its registry, but nobody may listen."""
        return realm.startswith("https://") or self.is_unencrypted

    def _busy(self, answer: httpx.Response, purpose: str) -> Unreachable:
        return Unreachable(
            f"registry {self._host} answered {answer.status_code} {purpose}", state="untouched",
            todo="it is overloaded or limits how often it is asked: wait, and press again",
        )  # fmt: skip

    def check(self, answer: httpx.Response, what: str, verb: str) -> None:
        """Raise the sentence that belongs to an answer which is no success."""
        if answer.is_success:
            return
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            who = f"user {self._login[0]}" if self._login else "anonymous access"
            scopes = "check the token's scopes: write:packages to push, read:packages to pull"
            alone = (
                f"it is asked without a login, as {self._named} names it: let it be public, or copy it to "
                "push_registry, which [login] is for"
            )
            asked_alone = not self._login and self._named != "push_registry"
            raise Refused(
                f"registry {self._host} refuses {who} to {verb} {what} ({answer.status_code})",
                state="untouched",
                todo=alone if asked_alone else scopes,
            )
        if answer.status_code in _BUSY:
            raise self._busy(answer, f"to {verb} {what}")
        raise HomeguruError(
            f"registry {self._host} answered {answer.status_code} to {verb} {what}: "
            f"{answer.text[:200]}",
            state="untouched",
            todo="is it a registry, and does it allow this? publish again",
        )


def _is_this_machine(host: str) -> bool:
    """Whether `host` or `host:port` is the loopback interface, the only one spoken to unencrypted.

    Nobody can own a name below `localhost` (RFC 6761): where one is not the loopback interface, it
    was given to a container on this machine.
    """
    name = httpx.URL(f"//{host}").host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
