"""What may become a target: a published release of this environment, or a record of this host."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deployments.compose.reader import parse_stack
from deployments.compose.variables import Configuration
from deployments.errors import Refused, WrongUse
from deployments.release.manifest import Manifest, ServiceImage
from infra.host import targets
from infra.host.targets import Targets

COMPOSE = {"services": {"api": {"image": "${API_IMAGE}"}}, "x-deploy": {"v": 1}}
DIGEST = f"sha256:{'0' * 64}"


def manifest(
    name: str = "prod-sha-0123456789ab", repository: str = "acme/homeguru-api"
) -> Manifest:
    image = ServiceImage(repository=repository, digest=DIGEST, built=True)
    return Manifest.nothing().model_copy(update={"name": name, "services": {"api": image}})


@pytest.fixture
def make(located, tmp_path, monkeypatch) -> Any:
    """Targets of the environment `prod`, whose host keeps some files."""

    def made(files: dict[str, str] | None = None, **changes: Any) -> Targets:
        stack = parse_stack("", COMPOSE, "compose.yml")
        monkeypatch.setattr(targets, "stack_of", lambda *_: stack)
        base = tmp_path / "haproxy.cfg"
        base.write_text("")
        place = located(**changes)
        assembly = SimpleNamespace(
            located=SimpleNamespace(environment=place.environment, edge_base=base), stack=stack
        )
        host = SimpleNamespace(environment=place.environment, files=lambda names: files or {})
        return Targets(assembly, Configuration({}, {}), host)  # type: ignore[arg-type]

    return made


def record(of: Manifest, release: str) -> dict[str, str]:
    folder = f"releases/{release}"
    return {
        f"{folder}/manifest.json": of.to_json(), f"{folder}/compose.yml": "",
        f"{folder}/variables.env": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "repository", "said"),
    [
        ("production-sha-0123456789ab", "acme/homeguru-api", "is none of environment prod"),
        ("prod-sha-0123456789ab", "attacker/x", "api from attacker/x, not acme/homeguru-api"),
    ],
)
def test_a_release_from_elsewhere_is_no_target(make, name, repository, said):
    with pytest.raises(Refused, match=said):
        make().published(manifest(name, repository))


def test_a_release_of_before_the_repository_changed_is_published_again(make):
    with pytest.raises(Refused, match="from acme/homeguru-api, not other/api") as caught:
        make(repository="other/{service}").published(manifest())
    assert caught.value.todo.endswith("publish again: homeguru publish --env prod")


def test_a_rollback_still_finds_it(make):
    """The host checked it when it came, and its record says where the images lay then."""
    release = "3-prod-sha-0123456789ab"
    found = make(record(manifest(), release), repository="other/{service}").former(
        release, pin=False
    )
    assert found.images(SimpleNamespace(of=lambda _: []))["api"].endswith(  # type: ignore[arg-type]
        f"/acme/homeguru-api@{DIGEST}"
    )


def test_a_record_that_holds_another_release_is_refused(make):
    files = record(manifest("prod-sha-ffffffffffff"), "3-prod-sha-0123456789ab")
    with pytest.raises(Refused, match="holds the manifest of prod-sha-ffffffffffff"):
        make(files).former("3-prod-sha-0123456789ab", pin=False)


def test_a_record_with_a_foreign_string_is_refused(make):
    release = "3-prod-sha-0123456789ab"
    files = record(manifest(), release)
    name = f"releases/{release}/manifest.json"
    files[name] = files[name].replace("acme/homeguru-api", "../../attacker/x")
    with pytest.raises(WrongUse, match=r"services\.api\.repository"):
        make(files).former(release, pin=False)
