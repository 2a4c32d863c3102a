"""Sources of HomeGuru's roadmap that are laid out otherwise: refused whole, or built as they are."""

from __future__ import annotations

import json

import pytest

from deployments.compose.reader import parse_stack
from deployments.errors import WrongUse
from infra.environment.compose_cli import read_stack, stack_of
from infra.machine.paths import docker_dir
from infra.machine.processes import Ended
from infra.publish import publishing, wanted
from infra.publish.source import opened
from tests.adapters.publishing import Store

GUIDE = "doc/guides/another-application.md"
PYTHON = ("pyproject.toml", "uv.lock", "src/api/main.py", "src/bot/main.py")
ALEMBIC = ("alembic.ini", "migrations/env.py", "migrations/versions/1.py")
FRONTEND = ("frontend/app/package.json", "frontend/app/pnpm-lock.yaml", "frontend/app/page.tsx")
DOCKERFILE = "FROM python:3.11-slim\nCOPY requirements.txt ./\nCOPY . .\n"


@pytest.fixture
def publish(tmp_path, located, built):
    """Publish a source of some files for HomeGuru's own Compose file; the images that were built."""
    packaged = read_stack(docker_dir() / "docker-compose.prod.yml")

    def run(files, *, stack=packaged, say=print, store=None, **changes):
        store = store or Store()
        for reference in ("postgres:16", "haproxy:3.0", "caddy:2"):
            name, _, tag = reference.partition(":")
            store.known[f"library/{name}", tag] = f"sha256:{'d' * 64}"
        for path, text in files.items():
            (tmp_path / "app" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "app" / path).write_text(text)
        images = {n: f"localhost:5000/library/{i}" for n, i in INFRASTRUCTURE.items()}
        known = {n: i for n, i in images.items() if n in stack.services}
        place = located(images=known, **changes)
        services = stack.called_for({}).chosen(place.environment.services)
        publisher = publishing.Publisher(place, services, store, None, say)
        seen = run.builds = built(store)
        before = len(seen)
        tree = opened(tmp_path / "app", "HEAD", allow_dirty=False, say=say)
        publisher.publish(tree)
        return {image.service: image for image in seen[before:]}

    return run


INFRASTRUCTURE = {"postgres": "postgres:16", "edge": "haproxy:3.0"}


def _files(*paths, **more):
    return {**dict.fromkeys(paths, ""), "pyproject.toml": "[project]\n", **more}


def _refused(publish, files, **changes):
    with pytest.raises(WrongUse) as caught:
        publish(files, **changes)
    assert caught.value.state == "untouched"
    return caught.value


def test_everything_that_is_missing_is_named_at_once(publish, tmp_path):
    error = _refused(publish, _files("src/api/main.py", "README.md"))
    assert error.where == str(tmp_path / "app")
    assert error.what == (
        "the source lacks what 3 images are made of: "
        "api needs uv.lock, alembic.ini, migrations; "
        "frontend needs frontend/app/package.json, frontend/app/pnpm-lock.yaml, frontend/app; "
        "bot needs uv.lock, src/bot/main.py"
    )
    assert '`leave_out = ["frontend", "bot"]` under [services]' in error.todo
    assert GUIDE in error.todo


def test_the_migrations_lie_in_another_folder(publish):
    files = _files(*PYTHON, *FRONTEND, "alembic/env.py", "alembic/versions/1.py")
    files["alembic.ini"] = "[alembic]\nscript_location = %(here)s/alembic\n"
    error = _refused(publish, files)
    assert error.what == "the image of api needs migrations, which the source lacks"
    assert '`MIGRATIONS = "alembic"` under [build]' in error.todo
    images = publish(files, build={"MIGRATIONS": "alembic"})
    assert images.keys() == {"api", "bot", "frontend"}
    assert images["api"].arguments["MIGRATIONS"] == "alembic"
    assert "MIGRATIONS" not in images["bot"].arguments


def test_there_is_no_alembic(publish):
    files = _files(*PYTHON, *FRONTEND)
    error = _refused(publish, files)
    assert error.what == "the image of api needs alembic.ini, migrations, which the source lacks"
    assert '`MIGRATIONS = ""` under [build]' in error.todo
    assert "migrate in leave_out under [services]" in error.todo
    error = _refused(publish, files, build={"MIGRATIONS": ""})
    assert (
        error.what == "MIGRATIONS under [build] is empty, and migrate migrates in the image of api"
    )
    assert 'add "migrate" to leave_out under [services]' in error.todo
    left = {"leave_out": ["migrate"]}
    images = publish(files, build={"MIGRATIONS": ""}, services=left)
    assert images["api"].arguments["MIGRATIONS"] == ""


def test_there_is_no_frontend(publish):
    files = _files(*PYTHON, *ALEMBIC)
    error = _refused(publish, files, services={"leave_out": ["bot"]})
    assert error.what.startswith("the image of frontend needs frontend/app/package.json, ")
    assert '`leave_out = ["bot", "frontend"]` under [services]' in error.todo
    images = publish(files, services={"leave_out": ["frontend"]})
    assert images.keys() == {"api", "bot"}


def test_one_dockerfile_at_the_root_builds_what_the_environment_says(publish):
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "", "app/main.py": ""}
    error = _refused(publish, files)
    assert '`api = "Dockerfile"` under [dockerfiles]' in error.todo
    own = {"api": "Dockerfile", "bot": {"file": "./Dockerfile", "target": "bot"}}
    left = {"leave_out": ["frontend"]}
    images = publish(files, dockerfiles=own, services=left)
    assert {n: (i.own.file, i.own.context, i.own.target) for n, i in images.items()} == {
        "api": ("Dockerfile", ".", ""), "bot": ("Dockerfile", ".", "bot"),
    }  # fmt: skip


def test_a_lock_of_another_tool(publish):
    files = _files("src/api/main.py", "src/bot/main.py", "poetry.lock", *ALEMBIC)
    files |= dict.fromkeys(("frontend/app/package.json", "frontend/app/package-lock.json"), "")
    error = _refused(publish, files)
    assert (
        "api needs uv.lock; frontend needs frontend/app/pnpm-lock.yaml; bot needs uv.lock"
        in error.what
    )
    assert "poetry.lock is there, and `uv lock` writes uv.lock of [project]" in error.todo
    assert "package-lock.json is there, and `pnpm import` writes pnpm-lock.yaml" in error.todo
    assert "a Dockerfile of your own under [dockerfiles]" in error.todo


def test_what_the_dockerignore_leaves_out_is_told_from_what_is_not_there(publish):
    own = {"api": "Dockerfile"}
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "", ".dockerignore": "*.txt\n"}
    left = {"leave_out": ["frontend", "bot"]}
    error = _refused(publish, files, dockerfiles=own, services=left)
    assert error.what == (
        "the image of api needs requirements.txt (left out by the .dockerignore), which the source lacks"
    )


WEB = {"web": {"image": "${WEB_IMAGE}"}}


def _stack(services=WEB):
    return parse_stack("", {"services": services, "x-deploy": {"v": 1}}, "compose.yml")


def _web(publish, files, **more):
    return publish(files, stack=_stack(), **more)


def test_a_folder_of_its_own_is_the_context(publish):
    files = {
        "web/docker/Dockerfile": "FROM node:20 AS prod\nCOPY package.json /\nCOPY src/ /src/\n",
        "web/package.json": "", "web/src/a.js": "", "web/notes.md": "", "other/x": "",
        "web/.dockerignore": "*.md\n",
    }  # fmt: skip
    own = {"web": {"file": "web/docker/Dockerfile", "context": "web/", "target": "prod"}}
    store = Store()
    first = _web(publish, files, dockerfiles=own, store=store)["web"]
    assert first.own.model_dump() == {
        "file": "web/docker/Dockerfile", "context": "web", "target": "prod",
    }  # fmt: skip

    def again(changed, **more):
        return _web(publish, changed, dockerfiles={**own, **more}, store=store)

    assert again({"web/notes.md": "x", "other/x": "y"}) == {}
    for path, text in {
        "web/src/a.js": "1", "web/.dockerignore": "*.md\n*.log\n",
        "web/docker/Dockerfile": files["web/docker/Dockerfile"] + "CMD x\n",
    }.items():  # fmt: skip
        assert again({path: text}).keys() == {"web"}, path
    assert again({}, web={**own["web"], "target": ""})


@pytest.mark.parametrize(
    ("more", "read"),
    [
        ({}, ["Dockerfile", "a", "b"]),
        ({".dockerignore": "a\n"}, [".dockerignore", "Dockerfile", "b"]),
        ({"Dockerfile.dockerignore": "b\n", ".dockerignore": "a\n"},
         [".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "a"]),
        ({".dockerignore": "*\n!a\n"}, [".dockerignore", "Dockerfile", "a"]),
    ],
)  # fmt: skip
def test_a_dockerignore_is_found_where_docker_finds_it(publish, more, read):
    files = {"Dockerfile": "FROM x\nCOPY . .\n", "a": "", "b": "", **more}
    _web(publish, files, dockerfiles={"web": "Dockerfile"})
    assert sorted(publish.builds.staged) == read


def test_what_may_be_secret_is_said(publish):
    files = {"Dockerfile": "FROM x\nCOPY . .\n", "a/.env": "", ".env.example": "", ".envrc": ""}
    said = []
    _web(publish, files, dockerfiles={"web": "Dockerfile"}, say=said.append)
    assert said[0] == (
        "web: a/.env may become part of its image; a line of its .dockerignore leaves it out"
    )


def test_another_base_image_is_another_image(publish, monkeypatch):
    files = {"Dockerfile": "ARG V=20\nFROM node:$V\nCOPY --from=uv:1 /uv /\n", "a": ""}
    store, build = Store(), {"V": "20"}
    asked = []
    monkeypatch.setattr(wanted, "_identity", lambda image, _: asked.append(image) or "one")
    for identity in ("one", "one", "two"):
        _web(publish, files, dockerfiles={"web": "Dockerfile"}, store=store, build=build)
        monkeypatch.setattr(wanted, "_identity", lambda image, _, identity=identity: identity)
    assert asked == ["node:20", "uv:1"]
    assert len(publish.builds) == 1
    _web(publish, {}, dockerfiles={"web": "Dockerfile"}, store=store, build=build)
    assert len(publish.builds) == 2


def test_a_base_image_in_the_environments_own_registry_is_asked_for_with_its_login(monkeypatch):
    """Asked without one, a private image is refused, and a token blamed that was never sent."""
    monkeypatch.setattr(wanted, "run", lambda *_: Ended(1, "", "no such image"))

    class Own:
        host = "ghcr.io"

        def digest(self, repository: str, tag: str) -> str:
            return f"sha256:{repository}:{tag}"

    class Other(Own):
        def __init__(self, host: str, named: str) -> None:
            self.asked = (host, named)

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None: ...

        def digest(self, repository: str, tag: str) -> str:
            return f"{self.asked[0]} alone"

    monkeypatch.setattr(wanted, "Registry", Other)
    assert wanted._identity("ghcr.io/acme/base:1", Own()) == "sha256:acme/base:1"
    assert wanted._identity("registry.test/acme/base:1", Own()) == "registry.test alone"


def test_no_such_dockerfile(publish):
    error = _refused_web(publish, {"web/Dockerfile": "FROM x"}, dockerfiles={"web": "Dockerfile"})
    assert error.what == "[dockerfiles] web: the source has no file Dockerfile"
    assert error.todo == "it has web/Dockerfile"


def test_no_such_context(publish):
    own = {"web": {"file": "Dockerfile", "context": "app"}}
    error = _refused_web(publish, {"Dockerfile": "FROM x"}, dockerfiles=own)
    assert error.what == "the image of web needs app, which the source lacks"


def test_a_service_that_nothing_builds(publish):
    error = _refused_web(publish, {"web/Dockerfile": "FROM x", "Dockerfile": "FROM y"})
    assert error.what.startswith("no Dockerfile for service web: there is no ")
    assert '`web = "web/Dockerfile"`' in error.todo
    assert GUIDE in error.todo


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (".", 'web = "Dockerfile"'),
        ({"context": "."}, 'web = "Dockerfile"'),
        ({"context": "web"}, 'web = { file = "web/Dockerfile", context = "web" }'),
        ({"context": "..", "dockerfile": "deploy/D"}, 'web = "deploy/D"'),
        ({"context": "../web", "target": "prod"},
         'web = { file = "web/Dockerfile", context = "web", target = "prod" }'),
        ({"context": "a", "dockerfile": "../D"}, 'web = { file = "D", context = "a" }'),
    ],
)  # fmt: skip
def test_the_compose_files_build_is_not_followed_but_shown(publish, tmp_path, build, line):
    services = {"web": {"image": "${WEB_IMAGE}", "build": build}}
    stack = stack_of(json.dumps({"services": services, "x-deploy": {"v": 1}}), "compose.yml")
    beside = str(tmp_path / "x.yml")
    error = _refused(publish, {"Dockerfile": "FROM x"}, stack=stack, compose=beside)
    assert error.what.startswith("the Compose file's `build` of web is not followed")
    assert f"`{line}`" in error.todo
    assert publish({}, stack=stack, dockerfiles={"web": "Dockerfile"}).keys() == {"web"}


def test_an_image_of_a_service_that_is_left_out_is_named_with_what_its_others_build(
    publish, tmp_path
):
    services = {
        "aside": {"image": "${WEB_IMAGE}", "profiles": ["night"]},
        "web": {"image": "${WEB_IMAGE}", "build": "web"},
    }
    whole = stack_of(json.dumps({"services": services, "x-deploy": {"v": 1}}), "compose.yml")
    stack = whole.without({"aside"})
    assert stack.built() == ["aside"]
    error = _refused(
        publish, {"Dockerfile": "FROM x"}, stack=stack, compose=str(tmp_path / "x.yml")
    )
    assert '`aside = { file = "web/Dockerfile", context = "web" }`' in error.todo


def _refused_web(publish, files, **more):
    return _refused(publish, files, stack=_stack(), **more)


@pytest.mark.parametrize(
    ("services", "name", "why"),
    [
        ({"a": {"image": "${X_IMAGE}"}, "b": {"image": "${X_IMAGE}"}}, "b", "runs the image of a"),
        ({"db": {"image": "${DB_IMAGE}"}}, "db", "is not built here"),
    ],
)
def test_a_dockerfile_of_what_is_not_built(publish, services, name, why):
    deploy = {"v": 1, "infrastructure": {"db": "postgres:16"} if name == "db" else {}}
    stack = parse_stack("", {"services": services, "x-deploy": deploy}, "compose.yml")
    error = _refused(
        publish, {"Dockerfile": "FROM x"}, stack=stack, dockerfiles={name: "Dockerfile"}
    )
    assert error.what == f"[dockerfiles] names {name}, which {why}"


@pytest.mark.parametrize("path", ["/etc/x", "../Dockerfile", "a/../../b", "a$b", ""])
def test_a_path_that_is_none_of_the_source(publish, path):
    with pytest.raises(WrongUse, match=r"`dockerfiles\.web\.file`: "):
        _web(publish, {}, dockerfiles={"web": path})


def test_an_image_and_a_build_of_the_compose_file():
    """What ordinary Compose files have: a service that is built, and no image."""
    services = {"my.App": {"build": "."}}
    with pytest.raises(WrongUse) as caught:
        stack_of(json.dumps({"services": services, "x-deploy": {"v": 1}}), "compose.yml")
    assert caught.value.what.startswith(
        "service my.App: `image` must be one variable, ${MY_APP_IMAGE}"
    )
    assert caught.value.todo.startswith("write `image: ${MY_APP_IMAGE}` beside `build`, and name")


@pytest.mark.parametrize("line", ["${APP_DIR}/", "/web/", "./${APP_DIR}", "/$APP_DIR/app.py"])
def test_a_bake_file_of_ones_own_and_a_copy_of_any_form(publish, tmp_path, line):
    """The Dockerfile lies beside the Compose file; what it copies lies in the source."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    text = f"FROM python:3.11-slim\nARG APP_DIR=web\nCOPY {line} ./\n"
    (deploy / "Dockerfile.web").write_text(text)
    (deploy / "Dockerfile.web.dockerignore").write_text("*\n!web\n")
    (deploy / "docker-bake.hcl").write_text('target "web" {}\n')
    place = {"compose": str(deploy / "compose.yml")}
    assert _web(publish, {"web/app.py": "", "other": ""}, **place).keys() == {"web"}
    assert publish.builds.staged == ["web/app.py"]
    (tmp_path / "app/web/app.py").unlink()
    (tmp_path / "app/web").rmdir()
    error = _refused_web(publish, {"other": "1"}, **place)
    assert error.what.startswith("the image of web needs web")
