"""Asking from outside, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from deployments.compose_file import parse_stack
from deployments.manifest import Manifest
from deployments.target import Target
from deployments.variables import Configuration
from infra.probes import outside


def _target(located, more):
    services = {"api": {"image": "${API_IMAGE}"}}
    deploy = {"v": 1, "probes": {"api": {"outside": {"url": "api", "path": "/health", **more}}}}
    stack = parse_stack("", {"services": services, "x-deploy": deploy}, "compose.yml")
    environment = located(urls={"api": "https://api.example.org"}).environment
    return Target(environment, Manifest.nothing(), stack, Configuration({}, {}))


@pytest.fixture
def target(located):
    return _target(located, {})


def _ask(target, answer):
    [finding] = outside(target, httpx.MockTransport(answer))
    assert (finding.service, finding.check) == ("api", "outside")
    return finding


def test_the_expected_status(target):
    finding = _ask(target, lambda request: httpx.Response(200))
    assert finding.ok
    assert finding.detail.startswith("200 https://api.example.org/health in ")
    assert finding.detail.endswith(" ms")


HEADERS = {"Location": "https://api.example.org/other"}


@pytest.mark.parametrize(
    ("wanted", "status", "ok"),
    [
        (None, 204, True), (None, 307, True), (None, 400, False), (None, 404, False),
        (None, 502, False), (200, 200, True), (200, 204, False), (200, 307, False),
        (401, 401, True), (401, 200, False),
    ],
)  # fmt: skip
def test_any_answer_below_400_counts_unless_one_status_is_wanted(located, wanted, status, ok):
    target = _target(located, {"status": wanted} if wanted else {})
    finding = _ask(target, lambda request: httpx.Response(status, headers=HEADERS))
    assert finding.ok is ok
    assert finding.detail.startswith(f"{status} https://api.example.org/health")
    assert finding.detail.endswith(f", {wanted} is wanted") is (not ok and wanted is not None)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout])
def test_no_answer_is_a_failure(target, error):
    def fail(request):
        raise error("x")

    finding = _ask(target, fail)
    assert (finding.ok, finding.detail) == (
        False, f"{error.__name__} https://api.example.org/health",
    )  # fmt: skip


def test_proxies_of_the_deployer_are_not_used(target, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert _ask(target, lambda request: httpx.Response(200)).ok
