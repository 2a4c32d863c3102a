"""A small client of Prefect's REST API: retries what is safe, tells what went wrong."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from deployments.errors import HomeguruError, Refused, Unreachable, WrongUse

MINIMUM_SERVER = (3, 4)
PATIENCE = 60.0
"""Seconds for which a server that does not answer is asked again."""
FIRST_CONTACT = 10.0
"""The same for the first request: a wrong address is said while its person still looks."""
FOLLOWING = 150.0
"""The same once a run is under way, which goes on meanwhile, and for a server that is there
and takes its time: Prefect's SQLite now and then holds it for a whole minute."""

#: Prefect answers 500 while its database is away.
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = httpx.Timeout(30, connect=10)


class PrefectApi:
    """One Prefect server. `url` ends in `/api`; `auth` is `user:password` or empty.

    Every request is repeated while nothing answers: reading is harmless, and what creates
    carries an idempotency key. Raises Unreachable, Refused or WrongUse with a sentence.
    """

    def __init__(
        self, url: str, auth: str = "", *, patience: float = PATIENCE,
        transport: httpx.BaseTransport | None = None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        if not url.startswith(("http://", "https://")):
            raise _no_address(repr(url))
        self.url = url.rstrip("/")
        self.patience = patience
        self._sleep = sleep
        user, _, password = auth.partition(":")
        self.account = user
        # A private CA is named as everywhere in Python: by SSL_CERT_FILE.
        try:
            self._client = httpx.Client(
                base_url=self.url, auth=(user, password) if auth else None, timeout=_TIMEOUT,
                transport=transport or httpx.HTTPTransport(verify=_trust()),
            )  # fmt: skip
        except httpx.InvalidURL as error:
            raise _no_address(f"{url!r} ({error})") from None

    @classmethod
    def from_environment(cls) -> PrefectApi | None:
        """The server of `PREFECT_API_URL` and `PREFECT_API_AUTH_STRING`; None without one."""
        url = os.environ.get("PREFECT_API_URL", "")
        return cls(url, os.environ.get("PREFECT_API_AUTH_STRING", "")) if url else None

    @property
    def ui(self) -> str:
        """Address of the pages that people open."""
        return self.url.removesuffix("/api")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """The answer's JSON."""
        return self.ask("GET", path, params=query or None)

    def post(self, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        return self.ask("POST", path, json={} if body is None else body)

    def patch(self, path: str, body: Any) -> Any:
        """The answer's JSON, None for an empty one."""
        return self.ask("PATCH", path, json=body)

    def put(self, path: str, body: Any) -> Any:
        """The answer's JSON, None for an empty one."""
        return self.ask("PUT", path, json=body)

    def delete(self, path: str) -> None:
        """Delete; what is not there is deleted already."""
        self.ask("DELETE", path)

    def find(self, path: str) -> Any:
        """The answer's JSON, or None when the server knows no such thing."""
        try:
            return self.get(path)
        except Absent:
            return None

    def first_contact(self) -> None:
        """Raise what is wrong with the address, the account or the version, within seconds."""
        patience, self.patience = self.patience, FIRST_CONTACT
        try:
            self.version()
        except Unreachable as error:
            raise Unreachable(
                error.what, where=error.where, state="not contacted",
                todo=f"is PREFECT_API_URL right? {error.todo}",
            ) from None  # fmt: skip
        finally:
            self.patience = patience

    def version(self) -> str:
        """The server's version; raises Refused when it is too old."""
        version = self.find("/admin/version")
        if not isinstance(version, str):
            raise self._no_prefect()
        numbers = tuple(int(p) for p in version.split(".")[:2] if p.isdigit())
        if numbers < MINIMUM_SERVER:
            raise Refused(
                f"Prefect server {version} is too old", where=self.url, state="not contacted",
                todo="upgrade it to 3.8: homeguru control-plane upgrade",
            )  # fmt: skip
        return version

    def ask(self, method: str, path: str, json: Any = None, params: Any = None) -> Any:
        """One request, repeated while the server is away or busy."""
        answer = self._send(method, path, json, params)
        if answer.is_success:
            try:
                return answer.json() if answer.content else None
            except ValueError:
                raise self._no_prefect() from None
        raise self._refusal(method, path, answer)

    def _send(self, method: str, path: str, json: Any, params: Any) -> httpx.Response:
        began, pause, patience = time.monotonic(), 0.2, self.patience
        while True:
            try:
                answer = self._client.request(method, path, json=json, params=params)
                if answer.status_code not in _BUSY:
                    return answer
                problem = f"it answers {answer.status_code}"
                if answer.status_code in (429, 500):
                    problem += f" {_detail(answer).strip()[:120]}"
            except httpx.TransportError as error:
                if _untrusted(error):
                    raise self._untrusted(error) from None
                problem = str(error) or type(error).__name__
                if isinstance(error, httpx.ReadTimeout):
                    patience = max(patience, FOLLOWING)
            if time.monotonic() + pause > began + patience:
                raise Unreachable(
                    f"the Prefect API cannot be reached: {problem}", where=self.url,
                    state="as the run left it, if one was created",
                    todo="is the control plane up? `homeguru control-plane status`, where it was put up from",
                ) from None  # fmt: skip
            self._sleep(pause)
            pause = min(pause * 2, 5)

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> HomeguruError:
        detail = _detail(answer)
        if answer.status_code == 401:
            return WrongUse(
                "the Prefect API does not know this account or its password", where=self.url,
                state="not contacted", todo="check PREFECT_API_AUTH_STRING, it reads user:password",
            )  # fmt: skip
        if answer.status_code == 403:
            return Refused(
                f"account {self.account or 'nobody'} may not {method} {path}", where=self.url,
                state="untouched", todo="use an account that may, or a person's",
            )  # fmt: skip
        if answer.status_code == 404:
            return Absent(f"no such thing: {path}", where=self.url, state="untouched")
        return ApiRefused(
            f"{method} {path}: {answer.status_code} {detail}", where=self.url, state="untouched"
        )

    def _no_prefect(self) -> HomeguruError:
        return WrongUse(
            "what answers there is no Prefect API", where=self.url, state="untouched",
            todo="check PREFECT_API_URL: it reads https://prefect.example.org/api, with the /api",
        )  # fmt: skip

    def _untrusted(self, error: Exception) -> HomeguruError:
        return WrongUse(
            f"the certificate of the Prefect API is not trusted: {error}", where=self.url,
            state="not contacted",
            todo="name its CA in SSL_CERT_FILE; `homeguru control-plane status`, where it was put up from, "
                "tells where it lies",
        )  # fmt: skip


class Absent(Refused):
    """The server knows no such thing."""


class ApiRefused(HomeguruError):
    """The server understood and said no."""


def _no_address(reason: str) -> WrongUse:
    return WrongUse(
        f"PREFECT_API_URL is not an address: {reason}", state="not contacted",
        todo="it reads https://prefect.example.org/api",
    )  # fmt: skip


def _trust() -> ssl.SSLContext:
    """What this process trusts: SSL_CERT_FILE where it is set, else the system's bundle."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise WrongUse(
            f"the certificates cannot be read: {error.strerror or error}",
            where=os.environ.get("SSL_CERT_FILE", ""), state="not contacted",
            todo="correct SSL_CERT_FILE, or unset it",
        ) from None  # fmt: skip


def _untrusted(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:300]
    detail = body.get("detail", body) if isinstance(body, dict) else body
    return str(detail)[:600]
