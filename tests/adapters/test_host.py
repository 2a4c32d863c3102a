"""What a host's refusal reads like."""

from __future__ import annotations

import pytest

from deployments.commands.quote import Script
from deployments.errors import StepFailed
from infra import host
from infra.output import Output


def test_a_refusal_keeps_its_first_line_however_long_the_last_one_is(located, monkeypatch):
    """An image that is gone is named before a list of releases that grows."""
    releases = " ".join(f"{n}-sha-{n:012d}" for n in range(99))
    refused = f"cannot pull ghcr.io/acme/api@sha256:0: not found\nreleases: {releases}\n"
    monkeypatch.setattr(host.Remote, "run", lambda *_: Output(21, "", refused))
    reader = host.Host(located(), host.Actor("ada", "cli", "r1"), "plan", print)
    with pytest.raises(StepFailed) as caught:
        reader.read(Script("true"))
    assert caught.value.what == refused.strip()
