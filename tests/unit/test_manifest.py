"""The release manifest: read back exactly, refused when it was built for another place."""

from __future__ import annotations

import json

import pytest

from deployments.errors import Refused, WrongUse
from deployments.release.manifest import (
    Manifest,
    check_build_env,
    check_published,
    check_record,
    nearest,
    of_environment,
    parse_manifest,
)


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
        ({"name": "prod"}, "name: a release's name reads production-sha-0123456789ab"),
        ({"name": "prod-sha-0123456789ab\n"}, "name: a release's name reads production-sha-0123456789ab"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"services": {"api": {"repository": "a", "digest": "latest", "built": True}}},
         "services.api.digest: a digest is sha256: and 64 of 0-9, a-f"),
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


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "../../attacker/x"}, {"repository": "a:tag"}, {"repository": "a@sha256:0"},
        {"repository": "A"}, {"repository": ""}, {"repository": "a/" * 130 + "a"},
        {"digest": "sha256:0"}, {"inputs": "x; rm"},
    ],
)  # fmt: skip
def test_a_manifests_images_have_a_grammar(world, change):
    data = json.loads(world.manifest().to_json())
    data["services"]["api"] |= change
    [key] = change
    with pytest.raises(WrongUse, match=f"not a release manifest: services.api.{key}: "):
        parse_manifest(json.dumps(data), "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "adopted"}, "has the key `adopted`"),
        ({"commit": "\x1b[2J"}, "commit: a hash is of 0-9 and a-f"),
        ({"services": {"a/../b": {"repository": "a", "digest": "sha256:" + "0" * 64,
                                  "built": True}}}, "services.a/../b"),
    ],
)  # fmt: skip
def test_a_manifests_names_have_a_grammar(world, change, said):
    data = {**json.loads(world.manifest().to_json()), **change}
    with pytest.raises(WrongUse) as caught:
        parse_manifest(json.dumps(data), "x")
    assert said in caught.value.what


@pytest.mark.parametrize(
    ("name", "environment", "mine"),
    [
        ("prod-sha-0123456789ab", "prod", True), ("prod-src-0123456789ab", "prod", True),
        ("prod-eu-sha-0123456789ab", "prod", False), ("production-sha-0123456789ab", "prod", False),
        ("prod-sha-0123456789ab\n", "prod", False), ("prod-newest", "prod", False),
        ("adopted", "prod", False),
    ],
)  # fmt: skip
def test_whose_release_it_is_by_its_name(name, environment, mine):
    assert of_environment(name, environment) is mine


def _with(manifest, service, **changes):
    image = manifest.services[service].model_copy(update=changes)
    return manifest.model_copy(update={"services": {**manifest.services, service: image}})


def test_the_environments_own_release_passes(world):
    check_published(world.manifest(), world.environment, world.stack.built())
    # Where these lie the environment says itself, and not the manifest.
    elsewhere = _with(world.manifest(), "postgres", repository="mirror/postgres")
    check_published(elsewhere, world.environment, world.stack.built())


@pytest.mark.parametrize("built", [True, False])
def test_images_of_another_repository_are_refused(world, built):
    foreign = _with(world.manifest(), "api", repository="attacker/x", built=built)
    with pytest.raises(Refused) as caught:
        check_published(foreign, world.environment, world.stack.built())
    assert "takes images from another place than environment prod publishes to: " in str(
        caught.value
    )
    assert "api from attacker/x, not acme/homeguru-api" in caught.value.what
    assert caught.value.state == "untouched"


def test_another_environments_release_is_refused(world):
    other = world.manifest().model_copy(update={"name": "production-sha-0123456789ab"})
    with pytest.raises(Refused, match="production-sha-0123456789ab is none of environment prod"):
        check_published(other, world.environment, world.stack.built())


def test_a_record_is_of_the_release_that_its_folder_names(world):
    manifest = world.manifest()
    check_record(manifest, f"3-{manifest.name}", "host")
    with pytest.raises(Refused, match="holds the manifest of prod-sha-"):
        check_record(manifest, "3-prod-sha-ffffffffffff", "host")
