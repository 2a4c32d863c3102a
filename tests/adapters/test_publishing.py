"""Publishing, up to the point where docker and registries are needed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deployments.build.python_version import python_version
from deployments.compose.reader import parse_stack
from deployments.errors import Refused, Unreachable, WrongUse
from deployments.release.manifest import Manifest
from infra.publish import publishing
from infra.publish.manifests import find_manifest, name_of
from infra.publish.source import opened
from infra.registry.api import Stored
from tests.adapters.publishing import Store

SERVICES = ("api", "bot", "frontend")


@pytest.fixture
def stack():
    services = {name: {"image": f"${{{name.upper()}_IMAGE}}"} for name in SERVICES}
    return parse_stack("", {"services": services, "x-deploy": {"v": 1}}, "compose.yml")


@pytest.fixture
def source(tmp_path):
    """An application with everything that the Dockerfiles copy, in a plain directory."""
    root = tmp_path / "app"
    for path in (
        "pyproject.toml", "uv.lock", "alembic.ini", "migrations/env.py", "src/api/main.py",
        "src/bot/main.py", "frontend/app/package.json", "frontend/app/pnpm-lock.yaml",
    ):  # fmt: skip
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text('[project]\nrequires-python = ">=3.11"\n')
    return opened(root, "HEAD", allow_dirty=False, say=print)


def _publisher(located, stack, store, say=lambda _: None, **changes):
    return publishing.Publisher(located(**changes), stack, store, None, say)


def test_a_first_publish_builds_everything(located, stack, source, built):
    store = Store()
    images = built(store)
    manifest = _publisher(located, stack, store).publish(source)
    assert [i.service for i in images] == list(SERVICES)
    assert manifest.name == f"prod-src-{manifest.commit[:12]}"
    assert manifest.services["api"].repository == "acme/homeguru-api"
    assert manifest.services["api"].built
    assert set(store.releases) == {manifest.name, "prod-newest"}
    assert ("acme/homeguru-api", (manifest.name.removeprefix("prod-"), "latest")) in store.tagged
    assert images[0].labels["org.opencontainers.image.revision"] == manifest.commit


def test_a_commit_is_published_with_its_subject(located, stack, source, built):
    store = Store()
    built(store)

    class FromGit:
        folder = source.folder
        paths, read, copy = source.paths, source.read, source.copy

        def look(self, paths):
            return replace(source.look(paths), subject="Fix the login")

    manifest = _publisher(located, stack, store).publish(FromGit())
    assert manifest.subject == "Fix the login"
    assert store.releases["prod-newest"] == Stored(manifest.to_json(), "Fix the login")


def test_a_second_publish_builds_and_copies_nothing(located, stack, source, built, monkeypatch):
    store, said = Store(), []
    images = built(store)
    first = _publisher(located, stack, store).publish(source)
    monkeypatch.setattr(publishing, "staged", None)
    images.clear()
    again = _publisher(located, stack, store, said.append).publish(source)
    assert images == []
    assert again.services == first.services
    assert [line.partition(",")[0] for line in said] == [f"{s}: unchanged" for s in SERVICES]


def test_each_image_is_told_once_it_is_in_the_registry(located, stack, source, built):
    store, told = Store(), []
    built(store)
    place = located(pull_registry="registry.internal:5000")

    def publish():
        told.clear()
        return publishing.Publisher(place, stack, store, None, print, told.extend).publish(source)

    for manifest in (publish(), publish()):
        assert sorted(told) == sorted(
            f"registry.internal:5000/{s.repository}@{s.digest}" for s in manifest.services.values()
        )


def test_a_registry_that_does_not_answer_for_once_ends_no_build(
    located, stack, source, built, monkeypatch
):
    store, told, failed = Store(), [], []
    built(store)
    real = publishing.Publisher._digest_now

    def now(publisher, wanted):
        if len(failed) < len(SERVICES):
            failed.append(wanted.service)
            raise Unreachable("registry localhost:5000 answered 503")
        return real(publisher, wanted)

    monkeypatch.setattr(publishing.Publisher, "_digest_now", now)
    place = located(pull_registry="registry.internal:5000")
    publisher = publishing.Publisher(place, stack, store, None, print, told.extend)
    services = publisher.publish(source).services.values()
    assert sorted(failed) == sorted(SERVICES)
    # By then it answers, and whoever waits for images learns of each all the same.
    assert sorted(told) == sorted(
        f"registry.internal:5000/{s.repository}@{s.digest}" for s in services
    )


def test_only_images_whose_inputs_changed_are_built(located, stack, source, built):
    store = Store()
    images = built(store)
    _publisher(located, stack, store).publish(source)
    images.clear()
    (source.folder / "frontend/app/package.json").write_text("changed")
    _publisher(located, stack, store).publish(source)
    assert [i.service for i in images] == ["frontend"]


def test_a_build_variable_changes_the_image_that_declares_it(located, stack, source, built):
    store = Store()
    images = built(store)
    _publisher(located, stack, store).publish(source)
    images.clear()
    build = {"NEXT_PUBLIC_API_URL": "https://api.example.org"}
    manifest = _publisher(located, stack, store, build=build).publish(source)
    assert [(i.service, i.arguments["NEXT_PUBLIC_API_URL"]) for i in images] == [
        ("frontend", "https://api.example.org")
    ]
    assert manifest.build_env == build


@pytest.mark.parametrize(
    ("path", "service"),
    [("alembic.ini", "api"), ("src/bot/main.py", "bot"), ("frontend/app/package.json", "frontend")],
)
def test_a_file_that_a_dockerfile_needs_and_the_source_lacks(
    located, stack, source, built, path, service
):
    built(Store())
    (source.folder / path).unlink()
    with pytest.raises(WrongUse) as caught:
        _publisher(located, stack, Store()).publish(source)
    assert caught.value.what == f"the image of {service} needs {path}, which the source lacks"
    assert caught.value.where == str(source.folder)


def test_a_build_variable_that_no_dockerfile_declares(located, stack, source, built):
    """It would reach no image: the nearest name that one declares is told, with the file to correct."""
    images = built(Store())
    services = {n: {"image": f"${{{n.upper()}_IMAGE}}", "environment": {"C": "${COLLECTOR_MODE}"}}
                for n in SERVICES}  # fmt: skip
    stack = parse_stack("", {"services": services, "x-deploy": {"v": 1}}, "compose.yml")
    build = {"SYSTEM_PACKGES": "ffmpeg", "ZZZ": "1", "COLLECTOR_MODE": "real"}
    with pytest.raises(WrongUse) as caught:
        _publisher(located, stack, Store(), build=build).publish(source)
    assert caught.value.what.split("; ") == [
        "[build] names COLLECTOR_MODE, which no Dockerfile declares as ARG: a variable of the Compose file",
        "[build] names SYSTEM_PACKGES, which no Dockerfile declares as ARG, and SYSTEM_PACKAGES is one",
        "[build] names ZZZ, which no Dockerfile declares as ARG",
    ]
    assert caught.value.where == str(located().file)
    assert caught.value.todo == (
        "move COLLECTOR_MODE to [variables]; correct the names of SYSTEM_PACKGES, ZZZ, take them away, "
        'or allow them: unused = ["SYSTEM_PACKGES", "ZZZ"]'
    )
    assert images == []


def test_a_build_variable_may_be_allowed_though_nothing_declares_it(located, stack, source, built):
    """It reaches no image all the same, and so changes none."""
    store = Store()
    images = built(store)
    _publisher(located, stack, store).publish(source)
    images.clear()
    allowed = {"build": {"NEXT_PUBLIC_X": "1"}, "unused": ["NEXT_PUBLIC_X"]}
    _publisher(located, stack, store, **allowed).publish(source)
    assert images == []


def test_what_the_dockerfile_of_a_service_that_is_left_out_declares_is_no_mistake(
    located, stack, source, built
):
    store = Store()
    images = built(store)
    environment = located(services={"leave_out": ["frontend"]}).environment
    without = stack.chosen(environment.services)
    build = {"NEXT_PUBLIC_API_URL": "https://api.example.org"}
    _publisher(located, without, store, build=build).publish(source)
    assert {i.service for i in images} == {"bot", "api"}
    with pytest.raises(WrongUse, match=r"NEXT_PUBLIC_API_URI, .*and NEXT_PUBLIC_API_URL is one"):
        _publisher(located, without, store, build={"NEXT_PUBLIC_API_URI": "x"}).publish(source)


@pytest.mark.parametrize(
    ("chosen", "requires", "version"),
    [
        ("3.12\n", ">=3.11", "3.12"),
        ("3.12.4", ">=3.11", "3.12"),
        ("pypy3.10", ">=3.12", "3.12"),
        (None, ">=3.11", "3.11"),
        (None, ">=3.12", "3.12"),
        (None, ">=3.10,<3.11", "3.10"),
        (None, "~=3.12.2", "3.12"),
        (None, "==3.13.*", "3.13"),
        (None, "==3.12.4", "3.12"),
        (None, ">=3.11,<=3.11.5", "3.11"),
        (None, "<=3.12", "3.11"),
        (None, "", "3.11"),
        (None, "whatever", "3.11"),
    ],
)
def test_the_python_that_an_application_asks_for(chosen, requires, version):
    text = f'[project]\nrequires-python = "{requires}"\n'
    assert python_version(chosen or "", text) == version


def test_a_project_file_that_is_no_toml():
    with pytest.raises(WrongUse, match="not valid TOML: "):
        python_version("", "[project")


def test_the_python_becomes_the_base_of_the_image(located, stack, source, built):
    store = Store()
    images = built(store)
    (source.folder / ".python-version").write_text("3.13")
    _publisher(located, stack, store).publish(source)
    assert images[0].arguments["PYTHON_IMAGE"] == "python:3.13-slim"


def _manifest(name):
    return Manifest.nothing().model_copy(update={"name": name})


def test_a_manifest_by_name_newest_or_file(located, tmp_path):
    store, manifest = Store(), _manifest("prod-sha-0123456789ab")
    store.push_release("x", Stored(manifest.to_json()), [manifest.name, "prod-newest"])
    assert find_manifest(located(), store, manifest.name) == manifest
    assert find_manifest(located(), store, "newest") == manifest
    # As `history` shows it.
    assert find_manifest(located(), store, f"12-{manifest.name}") == manifest
    file = tmp_path / "release.json"
    file.write_text(json.dumps(json.loads(manifest.to_json()), indent=2))
    assert find_manifest(located(), Store(), str(file)) == manifest


def test_a_manifest_comes_with_the_subject_beside_it(located):
    """Anybody may have written it; the manifest's own text is what older tools read."""
    store, manifest = Store(), _manifest("prod-sha-0123456789ab")
    stored = Stored(manifest.to_json(), "\x1b[2JFix the login\n\nSigned-off-by: x")
    store.push_release("x", stored, ["prod-newest"])
    found = find_manifest(located(), store, "newest")
    assert found.subject == "Fix the login"
    assert found.to_json() == manifest.to_json()
    assert "subject" not in found.model_dump()


def test_an_unknown_manifest_lists_the_nearest(located):
    store = Store()
    store.push_release("x", Stored("{}"), ["prod-sha-0123456789ab", "prod-newest"])
    with pytest.raises(WrongUse) as caught:
        find_manifest(located(), store, "prod-sha-0123456789ff")
    assert caught.value.what == "no release 'prod-sha-0123456789ff' is published for prod"
    assert caught.value.where == "localhost:5000/acme/homeguru-release"
    assert caught.value.todo == "choose one of: prod-sha-0123456789ab"


def test_no_manifest_at_all_says_how_to_make_one(located):
    with pytest.raises(WrongUse) as caught:
        find_manifest(located(), Store(), "newest")
    assert caught.value.todo == "publish one: homeguru publish --env prod"


def test_a_file_that_is_no_text_is_no_manifest(located, tmp_path):
    file = tmp_path / "build.bin"
    file.write_bytes(b"\x7fELF\xff")
    for read in (lambda: find_manifest(located(), Store(), str(file)), lambda: name_of(str(file))):
        with pytest.raises(WrongUse, match="not UTF-8, at byte 4") as caught:
            read()
        assert caught.value.where == str(file)
        assert caught.value.todo.startswith("name a file that `homeguru publish")


def test_a_manifest_file_that_is_not_there(located):
    with pytest.raises(WrongUse, match=r"no manifest file gone\.json"):
        find_manifest(located(), Store(), "gone.json")


@pytest.mark.parametrize(
    "wanted",
    [
        "../../../attacker/x/blobs/sha256:" + "0" * 64, "prod-eu-sha-0123456789ab",
        "staging-sha-0123456789ab", "prod-sha-0123456789ab@x", "prod-sha-0123456789ab/..",
        "prod-newest", "latest", "prod-sha-0123456789ab\n",
    ],
)  # fmt: skip
def test_a_name_that_is_none_of_the_environments_is_never_asked_for(located, wanted):
    store, manifest = Store(), _manifest("prod-sha-0123456789ab")
    store.push_release(
        "x", Stored(manifest.to_json()), [manifest.name, "staging-sha-0123456789aa", wanted]
    )
    store.pull_release = None  # a call would fail the test
    with pytest.raises(WrongUse, match="is published for prod") as caught:
        find_manifest(located(), store, wanted)
    assert caught.value.todo == "choose one of: prod-sha-0123456789ab"


def test_a_tag_that_was_moved_to_another_release_is_refused(located):
    store = Store()
    store.push_release(
        "x", Stored(_manifest("prod-sha-ffffffffffff").to_json()), ["prod-sha-0123456789ab"]
    )
    with pytest.raises(
        Refused, match="gives the manifest of prod-sha-ffffffffffff for prod-sha-0123456789ab"
    ):
        find_manifest(located(), store, "prod-sha-0123456789ab")


def test_a_published_manifest_with_an_adopted_block_is_no_manifest(located):
    adopted = {
        "directory": "/srv/x", "files": [], "env_files": [], "services": {}, "ours": True,
        "deploy": {"v": 1},
    }  # fmt: skip
    store = Store()
    text = json.dumps(
        {**json.loads(_manifest("prod-sha-0123456789ab").to_json()), "adopted": adopted}
    )
    store.push_release("x", Stored(text), ["prod-newest"])
    with pytest.raises(WrongUse, match="and no other, has the key `adopted`"):
        find_manifest(located(), store, "newest")


@pytest.fixture
def with_database():
    services = {"db": {"image": "${DB_IMAGE}"}}
    deploy = {"v": 1, "infrastructure": {"db": "localhost:5000/library/postgres:16"}}
    return parse_stack("", {"services": services, "x-deploy": deploy}, "compose.yml")


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ({}, ("library/postgres", "16")),
        ({"db": "localhost:5000/pg"}, ("pg", "latest")),
    ],
)
def test_the_digest_of_an_image_that_is_not_built_here(
    located, with_database, source, chosen, asked
):
    store = Store()
    store.known[asked] = "sha256:" + "d" * 64
    manifest = _publisher(located, with_database, store, images=chosen).publish(source)
    image = manifest.services["db"]
    assert (image.repository, image.digest, image.built) == (asked[0], "sha256:" + "d" * 64, False)


def test_a_pinned_image_is_not_asked_for(located, with_database, source):
    pinned = f"localhost:5000/pg:16@sha256:{'e' * 64}"
    manifest = _publisher(located, with_database, Store(), images={"db": pinned}).publish(source)
    assert manifest.services["db"].repository == "pg"
    assert manifest.services["db"].digest == "sha256:" + "e" * 64


def test_an_image_that_is_not_there(located, with_database, source):
    with pytest.raises(WrongUse) as caught:
        _publisher(located, with_database, Store()).publish(source)
    assert caught.value.what == "no image localhost:5000/library/postgres:16 for service db"
    assert caught.value.todo == "correct [images] db in the environment"


def test_an_image_names_the_repository_that_its_package_belongs_to(
    located, stack, source, built, monkeypatch
):
    """GHCR links a package to a repository by this label alone."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/homeguru")
    assert publishing._linked(str(source.folder)) == {
        "org.opencontainers.image.source": "https://github.com/acme/homeguru"
    }
    cloned = publishing._linked("https://github.com/acme/other.git")
    assert cloned == {"org.opencontainers.image.source": "https://github.com/acme/other"}
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert publishing._linked(str(source.folder)) == {}
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/homeguru")
    store = Store()
    images = built(store)
    _publisher(located, stack, store).publish(source)
    assert {i.labels["org.opencontainers.image.source"] for i in images} == {
        "https://github.com/acme/homeguru"
    }


def test_dockerfiles_of_ones_own_need_a_bake_file_beside_them(located, stack, tmp_path):
    """Else the packaged ones would build services of the same names, without a word."""
    (tmp_path / "Dockerfile.api").touch()
    publisher = _publisher(located, stack, Store(), compose=str(tmp_path / "compose.yml"))
    with pytest.raises(WrongUse, match=r"no docker-bake\.hcl that builds") as wrong:
        publisher.check()
    assert wrong.value.where == str(tmp_path)
