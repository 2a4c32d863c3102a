"""The release manifest: read back exactly, refused when it was built for another place."""

from __future__ import annotations

import json

import pytest

from deployments.errors import Refused, WrongUse
from deployments.manifest import Manifest, check_build_env, nearest, parse_manifest


def test_a_manifest_is_read_back(world):
    manifest = world.manifest()
    assert parse_manifest(manifest.to_json(), "x.json") == manifest


def test_the_same_manifest_has_the_same_bytes(world):
    manifest = world.manifest()
    text = manifest.to_json()
    shuffled = json.dumps(dict(reversed(json.loads(text).items())))
    assert parse_manifest(shuffled, "x.json").to_json() == text
    assert "Жанна" in manifest.model_copy(update={"author": "Жанна"}).to_json()
    assert text.startswith('{"author":"A <a@example.org>","build_env":{},')
    assert ": " not in text.replace('"author":"A <', "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": 2}, "v: Input should be 1"),
        ({"name": "prod"}, "name: String should match pattern"),
        ({"name": "prod-sha-0123456789ab\n"}, "name: String should match pattern"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"services": {"api": {"repository": "a", "digest": "latest", "built": True}}},
         "services.api.digest: String should match pattern"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_named_by_its_key(world, change, said):
    data = {**json.loads(world.manifest().to_json()), **change}
    with pytest.raises(WrongUse) as caught:
        parse_manifest(json.dumps(data), "release.json")
    assert caught.value.what.startswith(f"not a release manifest: {said}")
    assert caught.value.where == "release.json"


@pytest.mark.parametrize("text", ["", "hello", "[]"])
def test_what_is_no_manifest_at_all(text):
    with pytest.raises(WrongUse, match="not a release manifest: the whole file: "):
        parse_manifest(text, "x")


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([], []),
        (["prod-sha-111111111111", "prod-sha-0123456789aa"], "prod-sha-0123456789aa"),
        (["a", "b", "c", "d", "e", "f"], ["b", "c", "d", "e", "f"]),
    ],
)
def test_nearest_is_similar_else_newest(known, found):
    meant = nearest("prod-sha-0123456789ab", known)
    assert (meant[0] if isinstance(found, str) else meant) == found


def test_a_release_built_for_the_same_values_passes(world):
    manifest = world.manifest().model_copy(update={"build_env": {"A": "1"}})
    check_build_env(manifest, {"A": "1"}, "prod")


@pytest.mark.parametrize(
    ("release", "environment", "said"),
    [
        ({"A": "1"}, {"A": "2"}, "A is '1' in the release and '2' in the environment"),
        ({}, {"A": "2"}, "A is 'not set' in the release and '2' in the environment"),
        ({"A": "1"}, {}, "A is '1' in the release and 'not set' in the environment"),
    ],
)
def test_a_release_built_for_another_address_is_refused(world, release, environment, said):
    manifest = world.manifest().model_copy(update={"build_env": release})
    with pytest.raises(Refused) as caught:
        check_build_env(manifest, environment, "prod")
    assert caught.value.what == (
        f"release {manifest.name} was built for another environment: {said}"
    )
    assert caught.value.todo == "publish it for this one: homeguru publish --env prod"


def test_nothing_is_a_manifest_too():
    assert Manifest.nothing().services == {}
