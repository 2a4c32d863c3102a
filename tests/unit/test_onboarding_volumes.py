"""What `init` makes of what services mount."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.compose import adapt
from deployments.onboarding.repository import Repository

FILES = {"Dockerfile": "FROM node\n", "server.js": "", "src/a.js": ""}


def adapted(services: dict[str, Any], volumes: dict[str, Any], files: dict[str, str]) -> Adaptation:
    compose = {"services": services, "volumes": volumes}
    return adapt(Repository("x", frozenset(files), "compose.yml", compose, texts=files))


def changed(adaptation: Adaptation, service: str, key: str) -> Any:
    """What takes a key's place; `as it was` where nothing does."""
    values = {e.path: e.value for e in adaptation.edits}
    return values.get(("services", service, key), "as it was")


@pytest.mark.parametrize(
    ("below", "kept"),
    [
        ("/app/node_modules", False), ("node_modules:/app/node_modules", False), ("v:/app/web/node_modules/", False),
        ("v:/app/vendor", False), ("v:/app/.venv", False), ("./node_modules:/app/node_modules", False),
        ({"type": "volume", "source": "v", "target": "/app/target"}, False), ("/app/packages/lib", False),
        ("uploads:/app/uploads", True), ("v:/app/files", True), ("v:/var/vendor", True), ("v:/app/data/vendor", True),
        ("v:/appendix/vendor", True), ({"type": "tmpfs", "target": "/app/node_modules"}, True),
    ],
)  # fmt: skip
def test_a_volume_that_showed_what_is_installed_goes_with_the_code_s_mount(below, kept) -> None:
    """It would hide what the next release's image has there; data below the code stays."""
    made = adapted({"web": {"build": ".", "volumes": [".:/app", below]}}, {}, FILES)
    assert changed(made, "web", "volumes") == ([below] if kept else None)
    said = [note for note in made.notes if note.startswith("web: no volume at /app/")]
    assert len(said) == (0 if kept else 1)


def test_an_anonymous_volume_that_may_hold_data_gets_a_name() -> None:
    made = adapted({"web": {"build": ".", "volumes": [".:/app", "/app/uploads", "/app/db"]}}, {}, FILES)  # fmt: skip
    named = ["web-app-uploads:/app/uploads", "web-app-db:/app/db"]
    assert changed(made, "web", "volumes") == named


def test_a_volume_stays_that_hides_nothing_of_the_image() -> None:
    """No code was mounted, or the image is somebody else's."""
    volumes = ["v:/app/vendor"]
    for body in ({"build": "."}, {"image": "php:8"}):
        made = adapted({"web": {**body, "volumes": volumes}}, {"v": None}, FILES)
        assert changed(made, "web", "volumes") == "as it was"


def test_what_nothing_mounts_any_longer_is_no_volume_of_the_file() -> None:
    body = {"build": ".", "volumes": [".:/app", "v:/app/node_modules"]}
    made = adapted({"web": body, "worker": body}, {"v": None}, FILES)
    assert [e.value for e in made.edits if e.path == ("volumes", "v")] == [None]
    assert changed(made, "worker", "volumes") is None


def test_a_volume_that_another_service_reads_stays() -> None:
    """A page that is built in one and served by the other."""
    web = {"build": ".", "volumes": [".:/app", "v:/app/dist"]}
    proxy = {"image": "nginx", "volumes": ["v:/usr/share/nginx/html"]}
    made = adapted({"web": web, "proxy": proxy}, {"v": None}, FILES)
    assert changed(made, "web", "volumes") == ["v:/app/dist"]
    assert not [e for e in made.edits if e.path == ("volumes", "v")]


def configs_of(mounts: list[Any], files: dict[str, str], **body: Any) -> tuple[Adaptation, list]:
    made = adapted({"it": {"image": "acme/it", "volumes": mounts, **body}}, {}, files)
    return made, changed(made, "it", "configs")


@pytest.mark.parametrize(
    ("path", "text", "body", "mode"),
    [
        ("run.sh", "", {}, 0o555), ("run.py", "#!/usr/bin/env python\n", {}, 0o555),
        ("run", "", {"entrypoint": ["/it", "--now"]}, 0o555), ("run", "", {"command": "/it --now"}, 0o555),
        ("run.py", "print()", {}, None), ("run.conf", "", {"command": "nginx -c /it"}, None),
    ],
)  # fmt: skip
def test_a_program_that_is_mounted_can_be_started(path: str, text: str, body: dict, mode) -> None:
    _, (config,) = configs_of([f"./{path}:/it"], {path: text}, **body)
    assert config.get("mode") == mode


def test_a_script_of_an_images_entrypoint_is_sourced_by_it() -> None:
    """Started, it would lack PostgreSQL's functions; not every such script says by what it is read."""
    target = "/docker-entrypoint-initdb.d/init.sh"
    _, (config,) = configs_of([f"./init.sh:{target}"], {"init.sh": "psql -c 'SELECT 1'"})
    assert config == {"source": "init-sh", "target": target}


def test_each_file_has_a_name_of_its_own() -> None:
    files = {"a-b.conf": "", "a/b.conf": "", "a/B.conf": ""}
    body = {"image": "acme/it", "volumes": [f"./{path}:/{n}" for n, path in enumerate(files)]}
    defined = {"a-b-conf": {"content": "mine"}, "a-b-conf-2": {"file": "a/b.conf"}}
    compose = {"services": {"it": body, "other": body}, "configs": defined}
    made = adapt(Repository("x", frozenset(files), "compose.yml", compose, texts=files))
    names = [config["source"] for config in changed(made, "it", "configs")]
    assert names == ["a-b-conf-3", "a-b-conf-2", "a-b-conf-4"]
    assert names == [config["source"] for config in changed(made, "other", "configs")]
    written = {e.path[1]: e.value["file"] for e in made.edits if e.path[0] == "configs"}
    assert written == {"a-b-conf-3": "./a-b.conf", "a-b-conf-4": "./a/B.conf"}


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("./state.json:/app/state.json", True), ("./state.json:/app/state.json:ro", False),
        ("./state.json:/app/state.json:z,ro", False), ("./state.json:/etc/state.json", False),
        ({"type": "bind", "source": "./state.json", "target": "/app/state.json"}, True),
        ({"type": "bind", "source": "./state.json", "target": "/app/state.json", "read_only": True}, False),
        ("./nginx.conf:/nginx.conf", False), ("./boards:/boards", True), ("./Caddyfile:/c", False),
    ],
)  # fmt: skip
def test_what_is_written_to_a_file_of_the_repository_is_said_to_be_lost(mount, said: bool) -> None:
    files = {"state.json": "{}", "nginx.conf": "", "boards/a.json": "{}", "Caddyfile": ""}
    made, _ = configs_of([mount], files)
    assert any("is gone then" in note for note in made.notes) == said


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("postgres", ""), ("postgres:latest", ""), ("docker.io/library/postgres:alpine", ""), ("postgres:18-alpine", ""),
        ("pgvector/pgvector:pg18", ""), ("postgis/postgis:18-3.6", ""), ("postgres:17", "/data"),
        ("pgvector/pgvector:pg17", "/data"), ("postgis/postgis:16-3.4", "/data"), ("acme/postgres", "/data"),
    ],
)  # fmt: skip
def test_a_postgresql_without_a_volume_gets_one_where_its_version_keeps_data(image, path) -> None:
    made = adapted({"db": {"image": image}}, {}, {})
    assert changed(made, "db", "volumes")[0].endswith(f":/var/lib/postgresql{path}")
