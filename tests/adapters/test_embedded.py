"""What a command without a Prefect server prepares before it starts its own."""

from __future__ import annotations

import os

import httpx
import pytest

from infra.orchestration.flow import embedded


@pytest.mark.parametrize(
    ("lower", "upper", "both"),
    [(None, None, "127.0.0.1"), ("a.example", "b.example", "a.example,b.example,127.0.0.1"),
     (None, "127.0.0.1", "127.0.0.1")],
)  # fmt: skip
def test_no_proxy_stands_before_the_commands_own_server(monkeypatch, lower, upper, both) -> None:
    """Prefect's clients take proxies of the environment, and would ask one for 127.0.0.1."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name, value in (("no_proxy", lower), ("NO_PROXY", upper)):
        monkeypatch.setenv(name, value or "")
    embedded._reach_directly("127.0.0.1")
    proxies = httpx.Client()._mounts
    assert any("127.0.0.1" in key.pattern and proxies[key] is None for key in proxies)
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == both
