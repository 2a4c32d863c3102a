"""The client of Prefect's API: what it repeats, and what it says when it gives up."""

from __future__ import annotations

import ssl

import httpx
import pytest

from deployments.errors import HomeguruError, Refused, Unreachable, WrongUse
from infra.orchestration.api import client
from infra.orchestration.api.client import Absent, PrefectApi

URL = "https://prefect.example.org/api"


def api_of(*answers: object, auth: str = "trigger:s3cret", patience: float = 60) -> PrefectApi:
    """A client whose server gives these answers, then the last one for ever."""
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    seen: list[httpx.Request] = []
    found = PrefectApi(
        URL, auth, patience=patience, transport=httpx.MockTransport(handle), sleep=lambda _: None
    )
    found.seen = seen  # type: ignore[attr-defined]
    return found


def ok(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def test_an_account_travels_as_basic_authentication() -> None:
    api = api_of(ok("3.8.8"))
    assert api.version() == "3.8.8"
    assert api.seen[0].headers["authorization"].startswith("Basic ")
    assert (api.account, api.ui) == ("trigger", "https://prefect.example.org")
    assert "s3cret" not in str(api.seen[0].url)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, json={"exception_message": "Internal Server Error"}),
        httpx.Response(503), httpx.Response(502), httpx.Response(429), httpx.Response(504),
        httpx.ConnectError("refused"), httpx.ReadError("reset by peer"),
        httpx.RemoteProtocolError("closed"), httpx.ReadTimeout("slow"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_server_that_was_away_is_asked_again(trouble: object, method: str) -> None:
    api = api_of(trouble, trouble, ok({"id": 1}))
    assert getattr(api, method)("/flow_runs/1") == {"id": 1}
    assert len(api.seen) == 3


def test_a_server_that_stays_away_is_unreachable() -> None:
    api = api_of(httpx.ConnectError("Connection refused"), patience=0)
    with pytest.raises(Unreachable) as error:
        api.get("/flow_runs/1")
    assert str(error.value).splitlines()[0] == (
        f"{URL}: the Prefect API cannot be reached: Connection refused"
    )
    assert "control-plane status" in error.value.todo


def test_why_a_password_is_not_checked_now_is_said() -> None:
    sentence = "too many wrong passwords came from this address: none is checked until 12:00:00 UTC"
    api = api_of(httpx.Response(429, text=f"{sentence}\n"), patience=0)
    with pytest.raises(Unreachable, match=f"cannot be reached: it answers 429 {sentence}"):
        api.get("/flow_runs/1")


def test_a_server_that_takes_its_time_is_there_and_gets_it() -> None:
    """The little patience is for one that is not there."""
    api = api_of(httpx.ReadTimeout("timed out"), ok("3.8.8"), patience=0)
    assert api.version() == "3.8.8"


def test_its_time_is_not_forgotten_for_another_answer() -> None:
    answers = httpx.ReadTimeout("timed out"), httpx.Response(503), ok("3.8.8")
    assert api_of(*answers, patience=0).version() == "3.8.8"


def test_an_untrusted_certificate_is_not_asked_twice() -> None:
    broken = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    broken.__cause__ = ssl.SSLCertVerificationError("self-signed")
    api = api_of(broken)
    with pytest.raises(WrongUse, match="is not trusted") as error:
        api.get("/x")
    assert "SSL_CERT_FILE" in error.value.todo
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, WrongUse, "does not know this account or its password"),
        (403, Refused, "account trigger may not GET /block_documents"),
        (404, Absent, "no such thing: /block_documents"),
        (409, HomeguruError, "409 wrong type"),
        (422, HomeguruError, "422 wrong type"),
    ],
)
def test_a_no_is_told_in_a_sentence(status: int, kind: type, said: str) -> None:
    api = api_of(httpx.Response(status, json={"detail": "wrong type"}))
    with pytest.raises(kind, match=said) as error:
        api.get("/block_documents")
    assert "s3cret" not in str(error.value)
    assert len(api.seen) == 1


def test_a_page_instead_of_json_is_shown_shortened() -> None:
    api = api_of(httpx.Response(400, text="<html>" + "x" * 900))
    with pytest.raises(HomeguruError) as error:
        api.get("/x")
    assert len(str(error.value)) < 500


def test_what_is_not_there_can_be_found_to_be_absent() -> None:
    assert api_of(httpx.Response(404, json={"detail": "none"})).find("/x") is None
    assert api_of(ok([1])).find("/x") == [1]


def test_an_old_server_is_refused() -> None:
    with pytest.raises(Refused, match=r"Prefect server 3.1.4 is too old"):
        api_of(ok("3.1.4")).version()


@pytest.mark.parametrize("version", ["3.8.8", "3.10.0", "4.0.0rc1"])
def test_newer_ones_are_not(version: str) -> None:
    assert api_of(ok(version)).version() == version


def test_without_an_address_there_is_no_server(monkeypatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert PrefectApi.from_environment() is None


def test_an_address_that_is_none_is_told(monkeypatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "prefect.example.org/api")
    with pytest.raises(WrongUse, match="not an address"):
        PrefectApi.from_environment()


def test_an_empty_answer_is_none() -> None:
    assert api_of(httpx.Response(204)).post("/x") is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>welcome</html>"), httpx.Response(404, text="not here"),
        ok({"not": "a version"}),
    ],
)  # fmt: skip
def test_another_server_at_that_address_is_told(answer: httpx.Response) -> None:
    with pytest.raises(WrongUse, match="no Prefect API") as wrong:
        api_of(answer).version()
    assert "with the /api" in wrong.value.todo


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(WrongUse, match="PREFECT_API_URL is not an address"):
        PrefectApi("http://prefect.example.org:port/api")


def test_certificates_that_are_not_there_are_told(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(WrongUse, match="the certificates cannot be read") as wrong:
        PrefectApi(URL)
    assert wrong.value.where.endswith("none.pem")


def test_a_wrong_address_is_said_within_seconds(monkeypatch) -> None:
    """A person looks at it; a run that is followed is another matter."""
    monkeypatch.setattr(client, "FIRST_CONTACT", 0)
    api = api_of(httpx.ConnectError("Name or service not known"), ok("3.8.8"))
    with pytest.raises(Unreachable, match="Name or service not known") as error:
        api.first_contact()
    assert error.value.state == "not contacted"
    assert "PREFECT_API_URL" in error.value.todo
    assert len(api.seen) == 1
    assert api.patience == 60
    api.first_contact()
