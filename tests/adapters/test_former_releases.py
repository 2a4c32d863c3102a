"""What a release of the host's records runs with: its own variables, the secrets of now."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from deployments.compose.variables import Configuration
from deployments.errors import Refused
from deployments.release.manifest import Manifest, ServiceImage
from infra.host.targets import Targets

COMPOSE = """
services:
  web:
    image: ${WEB_IMAGE}
    environment: {A: "${A}", OLD: "${OLD}", SOFT: "${SOFT:-none}", NEW: "${NEW:-${DEEP:-}}"}
x-deploy: {v: 1}
"""
RELEASE = "1-prod-sha-0123456789ab"
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def targets(located):
    """Targets on a host that keeps a release; its secrets then and now, by name."""

    def make(now: tuple[str, ...], then: tuple[str, ...] = (), **variables: str) -> Targets:
        image = ServiceImage(repository="acme/web", digest=DIGEST, built=True)
        manifest = Manifest(
            name="prod-sha-0123456789ab", source="s", ref="main", commit="c", author="a", created="t",
            build_env={}, services={"web": image},
        )  # fmt: skip
        kept = {
            f"releases/{RELEASE}/manifest.json": manifest.to_json(),
            f"releases/{RELEASE}/compose.yml": COMPOSE,
            f"releases/{RELEASE}/variables.env": "A='1'\n",
            f"releases/{RELEASE}/secrets.fingerprints": "".join(f"{name} 0123\n" for name in then),
        }
        found = located()
        base = found.file.with_name("haproxy.cfg")
        base.touch()
        host = SimpleNamespace(
            environment=found.environment,
            files=lambda names: {n: kept[n] for n in names if n in kept},
        )
        assembly = SimpleNamespace(
            located=SimpleNamespace(environment=found.environment, file=found.file, edge_base=base)
        )
        secrets = {name: SecretStr(f"value-of-{name}") for name in now}
        return Targets(assembly, Configuration(variables, secrets), host)

    return make


@pytest.mark.parametrize(
    ("now", "then", "lost"),
    [
        ((), (), "OLD"),
        ((), ("OLD",), "OLD"),
        (("OLD",), ("OLD", "SOFT"), "SOFT"),
        (("OLD",), ("OLD", "DEEP"), "DEEP"),
        ((), ("OLD", "SOFT"), "OLD, SOFT"),
    ],
)
def test_a_release_whose_secret_is_gone_is_refused_by_name(targets, now, then, lost):
    with pytest.raises(Refused) as refused:
        targets(now, then).complete(RELEASE, pin=False)
    assert refused.value.what == (
        f"release {RELEASE} needs {lost}, and environment prod has no value for it any more"
    )
    assert refused.value.state == "unchanged"
    assert "[secrets]" in refused.value.todo


def test_one_that_has_all_its_values_is_taken(targets):
    """A secret that its file never named is none of its own; the newer default stays a default."""
    target = targets(("OLD", "MORE"), ("OLD", "GONE")).complete(RELEASE, pin=False)
    assert (
        "OLD='value-of-OLD'"
        in target.candidate_files(SimpleNamespace(of=lambda _: []))["secrets.env"]
    )


def test_an_undo_asks_for_no_secret_of_now(targets):
    assert targets(()).former(RELEASE, pin=True).stack.services


def test_a_way_back_keeps_the_subject_that_the_host_has(targets):
    """It writes the release's plan anew; one of before has no subject."""
    made = targets(("OLD",))
    assert made.former(RELEASE, pin=True).manifest.subject == ""
    files, name = made.host.files, f"releases/{RELEASE}/plan.json"
    said = json.dumps({"manifest": "prod-sha-0123456789ab", "subject": "Fix the\x1b[2J login"})
    made.host.files = lambda names: {**files(names), **({name: said} if name in names else {})}
    assert made.former(RELEASE, pin=True).manifest.subject == "Fix the login"
