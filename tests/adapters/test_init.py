"""`init` on repositories as people have them: what it writes is read by everything that a deploy reads."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from deployments.errors import WrongUse
from deployments.onboarding.compose import adapt
from infra.cli.app import app
from infra.environment.compose_cli import check_stack, read_stack
from infra.environment.context import assemble
from infra.environment.locate import load
from infra.onboarding.reading import read_repository
from tests.shapes import SHAPES, written

REPOSITORIES = Path(__file__).resolve().parents[1] / "repositories"
"""Of the long tests, which run them; here only what `init` makes of them is read."""
NAMES = sorted(folder.name for folder in REPOSITORIES.iterdir())


@pytest.fixture
def begun(tmp_path: Path, monkeypatch):
    """A repository after `init`, and what was printed."""

    def run(name: str, *words: str):
        if name in SHAPES:
            root = written(name, tmp_path)
        else:
            root = tmp_path / name
            shutil.copytree(REPOSITORIES / name, root)
        monkeypatch.chdir(root)
        monkeypatch.delenv("HOMEGURU_ENVIRONMENTS", raising=False)
        done = CliRunner().invoke(app, ["init", "--address", "203.0.113.7", "--yes", *words])
        assert done.exit_code == 0, done.output + str(done.exception)
        return root, done.output

    return run


def compose_of(root: Path, path: str = "compose.homeguru.yml") -> dict:
    return yaml.safe_load((root / path).read_text())


def secrets_of(root: Path) -> dict[str, str]:
    lines = (root / ".homeguru" / "production.secrets.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_what_was_made_up_is_said_once(begun) -> None:
    _, said = begun("store")
    made = said.partition("a random value each: ")[2].splitlines()[0]
    assert "POSTGRES_PASSWORD" in made
    assert "STRIPE" not in made
    again = CliRunner().invoke(app, ["init", "--yes"])
    assert "a random value each" not in again.output


@pytest.mark.parametrize("name", [*SHAPES, *NAMES])
def test_what_is_written_is_what_a_deploy_reads(begun, name: str) -> None:
    root, _ = begun(name)
    located = load("production")
    assert located.file == root / ".homeguru" / "production.toml"
    stack = read_stack(located.compose_file)
    check_stack(located.compose_file, stack)
    # Values are there but for what somebody else gave out.
    secrets = root / ".homeguru" / "production.secrets.env"
    if secrets.exists():
        lines = secrets.read_text().splitlines()
        secrets.write_text("".join(f"{x}x\n" if x.endswith("=") else f"{x}\n" for x in lines))
        assert secrets.stat().st_mode & 0o077 == 0
    assembly = assemble("production")
    assembly.configuration()
    built = {str(file.relative_to(root)) for file in root.rglob("Dockerfile")}
    named = {d.file for d in located.environment.dockerfiles.values()}
    assert named <= built
    assert named
    # A release refuses a Dockerfile of a service that runs the image of another one.
    assert set(located.environment.dockerfiles) == set(stack.built())


@pytest.mark.parametrize("name", [*SHAPES, *NAMES])
def test_a_second_time_it_leaves_everything_as_it_is(begun, name: str) -> None:
    root, _ = begun(name)
    before = {p: p.read_text() for p in root.rglob("*") if p.is_file()}
    (root / ".homeguru" / "production.toml").write_text("# mine\n")
    CliRunner().invoke(app, ["init", "--yes"])
    after = {p: p.read_text() for p in root.rglob("*") if p.is_file()}
    assert after == {**before, root / ".homeguru" / "production.toml": "# mine\n"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain", "shop.example.org"), "--domain shop.example.org, where the file has none"),
        (("--address", "203.0.113.8"), "--address 203.0.113.8, where the file has 203.0.113.7"),
        (("--user", "systech"), "--user systech, where the file has deploy"),
    ],
)
def test_what_a_file_that_is_there_does_not_say_is_refused(begun, words, said: str) -> None:
    root, _ = begun("store")
    before = {p: p.read_text() for p in root.rglob("*") if p.is_file()}
    again = CliRunner().invoke(app, ["init", "--yes", *words])
    assert isinstance(again.exception, WrongUse)
    assert said in str(again.exception)
    file, compose = root / ".homeguru" / "production.toml", root / "compose.homeguru.yml"
    assert f"mv {file} {file}.before && mv {compose} {compose}.before, then" in again.exception.todo
    assert {p: p.read_text() for p in root.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("text", ["host = 3\n", "[host\n"])
def test_a_file_that_cannot_be_compared_is_left_alone(begun, text: str) -> None:
    root, _ = begun("store")
    file = root / ".homeguru" / "production.toml"
    file.write_text(text)
    CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.8"])
    assert file.read_text() == text


def test_what_it_says_already_may_be_asked_for_again(begun) -> None:
    begun("store")
    words = ["init", "--yes", "--address", "203.0.113.7", "--user", "deploy"]
    assert CliRunner().invoke(app, words).exit_code == 0


def test_ports_in_a_flow_list_are_read_as_compose_reads_them(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\n")
    text = 'services:\n  web: { build: ., ports: [8080:80], command: "true" }\n'
    (tmp_path / "compose.yml").write_text(text)
    done = CliRunner().invoke(app, ["init", "--address", "203.0.113.7", "--yes"])
    assert done.exit_code == 0, str(done.exception)
    # Quotes of theirs stay.
    assert 'command: "true"' in (tmp_path / "compose.homeguru.yml").read_text()


def test_a_dry_run_writes_nothing(begun) -> None:
    root, text = begun("fastapi-vite", "--dry-run", "--diff")
    assert not (root / ".homeguru").exists()
    assert not (root / "compose.homeguru.yml").exists()
    assert "-    container_name: shop-db" in text
    assert "two containers of it run while one takes over" in text


def test_the_shop(begun) -> None:
    root, text = begun("fastapi-vite")
    compose = compose_of(root)
    services = compose["services"]
    assert set(services) == {"db", "api", "web", "edge", "migrate"}
    assert "ports" not in services["db"]
    assert services["db"]["networks"] == {"default": {"aliases": ["shop-db"]}}
    assert services["db"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD}"
    # The password in the address is the same secret.
    assert services["api"]["environment"]["DATABASE_URL"] == (
        "postgresql+asyncpg://${DATABASE_LOGIN:-shop}:${POSTGRES_PASSWORD}@db:5432/shop"
    )
    # Two roles take turns, in the migration too.
    assert "${DATABASE_LOGIN:-shop}" in services["migrate"]["environment"]["DATABASE_URL"]
    assert services["api"]["environment"]["STRIPE_API_KEY"] == "${STRIPE_API_KEY}"
    assert "volumes" not in services["api"]
    assert services["api"]["command"] == "uvicorn app.main:app --host 0.0.0.0 --port 8000"
    assert "api.command" in text
    assert services["edge"]["ports"] == ["8000:8000", "5173:5173"]
    assert compose["x-deploy"]["edge"]["routes"] == {
        "api": {"listen": 8000, "port": 8000, "health": "/api/health"},
        "web": {"listen": 5173, "port": 80, "health": "/"},
    }
    assert services["migrate"]["command"] == ["alembic", "upgrade", "head"]
    assert services["migrate"]["profiles"] == ["migrate"]
    role = {"role": "shop", "password": "POSTGRES_PASSWORD"}
    assert compose["x-deploy"]["database"] == {
        "service": "db", "superuser": "shop", "name": "shop", "owner": role,
        "application": {**role, "role": "${DATABASE_LOGIN:-shop}"},
        "revision": "SELECT version_num FROM alembic_version",
    }  # fmt: skip
    assert compose["x-deploy"]["migrate"] == {
        "service": "migrate", "image_of": "api", "command": ["alembic", "upgrade", "head"],
        "downgrade": ["alembic", "downgrade", "{to}"],
    }  # fmt: skip
    environment = load("production").environment
    assert environment.build == {"VITE_API_URL": "http://203.0.113.7:8000"}
    assert environment.variables == {"MAIL_FROM": "shop@example.org"}
    assert set(environment.secrets.names) == {"POSTGRES_PASSWORD", "JWT_SECRET", "STRIPE_API_KEY"}
    secrets = (root / ".homeguru" / "production.secrets.env").read_text()
    assert "STRIPE_API_KEY=\n" in secrets
    assert "shoppassword" not in secrets
    assert "still empty: STRIPE_API_KEY\na release is refused until .homeguru/production.secrets.env has" in text  # fmt: skip
    assert ".homeguru/*.secrets.env" in (root / ".gitignore").read_text()
    # A comment of theirs is still theirs.
    assert "# The shop, as it runs on our laptops." in (root / "compose.homeguru.yml").read_text()


def test_the_end_says_what_is_to_be_committed_and_which_secrets_are_empty(begun) -> None:
    root, text = begun("fastapi-vite")
    assert "written  .homeguru/production.toml" in text
    assert "written  .homeguru/production.secrets.env" in text
    # There is no Git repository yet.
    assert "git add" not in text
    (root / ".git").mkdir()
    (root / "compose.homeguru.yml").unlink()
    words = ["init", "--yes", "--env", "stage", "--address", "203.0.113.7"]
    staged = CliRunner().invoke(app, words).output
    assert "git add compose.homeguru.yml .homeguru/stage.toml && git commit -m" in staged
    # What was there already is not named, and the secret is empty still.
    again = CliRunner().invoke(app, ["init", "--yes"]).output
    assert "git add" not in again
    assert "still empty: STRIPE_API_KEY" in again
    secrets = root / ".homeguru" / "production.secrets.env"
    secrets.write_text(secrets.read_text().replace("STRIPE_API_KEY=", "STRIPE_API_KEY=sk_1"))
    assert "still empty" not in CliRunner().invoke(app, ["init", "--yes"]).output


def test_who_is_built_alike_is_one_image(begun) -> None:
    root, _ = begun("django-celery")
    compose = compose_of(root)
    assert compose["services"]["web"]["image"] == compose["services"]["worker"]["image"]
    assert list(load("production").environment.dockerfiles) == ["web"]
    assert compose["services"]["migrate"]["command"][:2] == ["python", "manage.py"]
    assert "postgres-var-lib-postgresql-data" in compose["volumes"]


def test_oddities(begun) -> None:
    root, _ = begun("oddities")
    compose = compose_of(root)
    site = compose["services"]["site"]
    assert site["volumes"] == ["./uploads:/app/uploads", {"type": "volume", "source": "cache", "target": "/cache"}]  # fmt: skip
    assert site["environment"] == {
        "API_TOKEN": "${API_TOKEN}",
        "MODE": "production",
        "PRICE": "5$$",
    }
    assert not {"hostname", "scale"} & set(site)
    assert compose["configs"] == {"nginx-conf": {"file": "./nginx.conf"}}
    assert compose["services"]["proxy"]["ports"] == ["8080:80"]
    assert compose["x-deploy"]["infrastructure"] == {
        "proxy": "docker.io/library/nginx:1.27", "cron": "ghcr.io/acme/cron:2",
    }  # fmt: skip
    assert not {"name", "version"} & set(compose)


def test_a_file_of_a_release_has_the_mode_that_it_had(begun) -> None:
    root, _ = begun("mounted-files")
    config = read_stack(root / "compose.homeguru.yml").forms["web"]
    modes = {c["target"]: c["mode"] for c in json.loads(config)["configs"]}
    assert modes == {"/entrypoint.sh": 0o555, "/mine": 0o440}
    assert "mode: 0o555" in (root / "compose.homeguru.yml").read_text()
    assert compose_of(root)["volumes"] == {}


def test_anchors_and_what_must_not_be_lost_or_shown(begun) -> None:
    root, text = begun("anchors")
    compose = compose_of(root)
    web, cache = compose["services"]["web"], compose["services"]["cache"]
    # The folder of data stays, though a file of it is committed; the code goes, also by the anchor.
    assert web["volumes"] == ["./uploads:/app/uploads"]
    assert "env_file" not in web
    assert "container_name" not in compose["services"]["once"]
    assert web["ports"] == ["9000:9000/udp"]
    assert compose["services"]["edge"]["ports"] == ["127.0.0.1:8000:8000"]
    assert compose["services"]["edge"]["networks"] == ["back"]
    # One password under two names, and in a command, is one secret.
    assert web["environment"]["DB_PASSWORD"] == "${DB_PASSWORD}"
    assert cache["command"] == ["redis-server", "--requirepass", "${DB_PASSWORD}"]
    assert cache["configs"] == [
        {"source": "redis-conf-redis-conf", "target": "/etc/redis/redis.conf"}
    ]
    assert cache["volumes"] == ["./dump:/data"]
    assert "ports" not in cache
    assert "adminer: port 8081 stays open to everybody" in text
    assert compose["x-deploy"]["order"].index("once") < compose["x-deploy"]["order"].index("web")
    assert load("production").environment.project == "my_app"
    # What stands in a private env file is written nowhere.
    written_files = [
        p for p in root.rglob("*") if p.is_file() and p.name not in (".env", "compose.yml")
    ]
    assert not [
        p for p in written_files if "nobody else" in p.read_text() or "hunter22" in p.read_text()
    ]


def test_the_health_route_of_each_language(begun) -> None:
    for name, route in (("go-alone", "/healthz"), ("django-celery", "/healthz"), ("next-prisma", "/")):  # fmt: skip
        root, _ = begun(name)
        found = adapt(read_repository(root, ""))
        assert {r.health for r in found.routes.values()} == {route}


def test_nothing_to_deploy_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--yes"])
    assert "neither a Compose file nor a Dockerfile" in str(done.exception)


def test_a_dockerfile_alone_is_reached_by_the_port_that_it_exposes(begun) -> None:
    for name, port in (("notes", 8000), ("leaflet", 80)):
        root, text = begun(name)
        assert compose_of(root)["services"]["edge"]["ports"] == [f"{port}:{port}"]
        assert load("production").environment.urls == {"web": f"http://203.0.113.7:{port}"}
        assert "no EXPOSE" not in text


def test_a_password_is_one_secret_wherever_examples_and_addresses_repeat_it(begun) -> None:
    root, text = begun("orders")
    web = compose_of(root)["services"]["web"]["environment"]
    assert web["DATABASE_URL"] == (
        "postgres://${DATABASE_LOGIN:-postgres}:${POSTGRES_PASSWORD}@postgres/postgres"
    )
    assert set(secrets_of(root)) == {"SECRET_KEY", "POSTGRES_PASSWORD"}
    assert "still empty" not in text
    root, _ = begun("rota")
    assert set(secrets_of(root)) == {"POSTGRES_PASSWORD"}


def test_localhost_becomes_the_server(begun) -> None:
    begun("board")
    assert load("production").environment.variables == {"NEXTAUTH_URL": "http://203.0.113.7:3000"}
    begun("store")
    values = load("production").environment.variables
    assert values["CORS_ORIGINS"] == "http://203.0.113.7:5173"
    begun("orders")
    values = load("production").environment.variables
    # `edge` is the host that the edge's own health checks name.
    assert values["ALLOWED_HOSTS"] == "localhost,127.0.0.1,203.0.113.7,edge"
    assert values["CELERY_BROKER_URL"] == "redis://redis:6379/0"


def test_a_database_without_a_volume_gets_one(begun) -> None:
    root, _ = begun("board")
    compose = compose_of(root)
    name = "db-var-lib-postgresql-data"
    assert compose["services"]["db"]["volumes"] == [f"{name}:/var/lib/postgresql/data"]
    assert name in compose["volumes"]
    root, _ = begun("rota")
    assert compose_of(root)["services"]["db"]["volumes"] == ["./postgres:/var/lib/postgresql/data"]


def test_everything_starts_with_the_server_but_what_ends_by_itself(begun) -> None:
    root, _ = begun("rota")
    services = compose_of(root)["services"]
    assert services["db"]["restart"] == "unless-stopped"
    assert "restart" not in services["migrate"]
    assert services["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}  # fmt: skip
    order = compose_of(root)["x-deploy"]["order"]
    assert order == ["db", "edge", "migrate", "app"]
    root, _ = begun("anchors")
    assert compose_of(root)["services"]["once"]["restart"] == "no"


def test_a_compose_file_in_a_folder_of_its_own(begun) -> None:
    root, text = begun("atlas")
    compose = compose_of(root, "docker/compose.homeguru.yml")
    environment = load("production").environment
    assert environment.compose == "../docker/compose.homeguru.yml"
    assert {d.file for d in environment.dockerfiles.values()} == {
        "apps/api/Dockerfile", "apps/web/Dockerfile",
    }  # fmt: skip
    assert {d.context for d in environment.dockerfiles.values()} == {"."}
    assert list(compose["configs"].values()) == [{"file": "../apps/api/limits.json"}]
    assert compose["services"]["api"]["configs"][0]["target"] == "/app/apps/api/limits.json"
    assert len(secrets_of(root)["SIGNING_KEY"]) > 20
    assert compose["x-deploy"]["edge"]["routes"]["api"]["health"] == "/health"
    # What is there for development is said to be left out, and opens no port.
    assert "mail: left out, as it stands under profile dev" in text
    assert "8025 stays open" not in text


def test_a_proxy_of_theirs_comes_after_what_it_reaches(begun) -> None:
    root, _ = begun("odd")
    assert compose_of(root)["x-deploy"]["order"] == ["cron", "site", "proxy"]


def test_with_a_domain_people_reach_it_by_https(begun) -> None:
    root, text = begun("fastapi-vite", "--domain", "shop.example.org")
    assert "certificates that renew themselves" in text
    located = load("production")
    environment = located.environment
    assert environment.edge.domain == "shop.example.org"
    assert environment.urls == {
        "api": "https://api.shop.example.org", "web": "https://shop.example.org",
    }  # fmt: skip
    assert environment.build == {"VITE_API_URL": "https://api.shop.example.org"}
    stack = read_stack(located.compose_file)
    check_stack(located.compose_file, stack)
    tls = compose_of(root)["services"]["tls"]
    sites = tls["environment"]["CADDYFILE"].split("}\n")
    assert "api.${EDGE_DOMAIN:-} {\n  reverse_proxy edge:18000\n" in sites
    assert "${EDGE_DOMAIN:-} {\n  reverse_proxy edge:15173\n" in sites
    deploy = compose_of(root)["x-deploy"]
    assert deploy["optional"] == {"tls": "EDGE_DOMAIN"}
    assert deploy["edge"]["routes"]["web"]["tls_listen"] == 15173
    assert {port["host_ip"] for port in compose_of(root)["services"]["edge"]["ports"]} == {
        "${EDGE_ADDRESS:-}"
    }
    assert deploy["order"].index("edge") < deploy["order"].index("tls")
    assert "tls-data" in compose_of(root)["volumes"]


def test_port_80_is_left_to_who_ends_tls(begun) -> None:
    root, _ = begun("django-celery", "--domain", "shop.example.org")
    services = compose_of(root)["services"]
    assert "ports" not in services["edge"]
    assert "80:80" in services["tls"]["ports"]
    assert "reverse_proxy edge:10080\n" in services["tls"]["environment"]["CADDYFILE"]


def test_a_domain_has_a_form(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(written("one-service", tmp_path))
    done = CliRunner().invoke(app, ["init", "--yes", "--domain", "https://shop.example.org"])
    assert "'https://shop.example.org' is no domain" in str(done.exception)


@pytest.mark.parametrize(
    ("compose", "words", "said"),
    [
        ("include: [other.yml]\nservices: {web: {build: .}}\n", (), "only Compose puts together: include"),
        ("services: {web: {extends: {file: base.yml, service: web}}}\n", (), "services.web.extends"),
        ("services: {web: {extends: base, build: .}, base: {image: x}}\n", (), "services.web.extends"),
        ("services: {web: {build: ., ports: ['8000:8000']}}\n", ("--address", "deploy@host"), "host.address"),
        ("services: {web: {build: ., ports: ['8000:8000']}}\n", ("--env", "My Prod"), "`name`"),
        ("services: {proxy: {image: nginx, ports: ['80:80']}, web: {build: .}}\n", ("--domain", "a.example.org"), "proxy publishes port 80"),
        ("services: {web: {build: .}}\n", ("--domain", "a.example.org"), "would lead to nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch, compose: str, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "compose.yml").write_text(compose)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.7", *words])
    assert said in str(done.exception)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Dockerfile", "compose.yml"]


_BASE = "services:\n  web: {build: ., ports: ['8000:8000']}\n  db: {image: 'postgres:16'}\n"
_OVERRIDE = "services:\n  web: {restart: always}\n  db: {image: 'postgres:17'}\n"


@pytest.mark.parametrize(
    ("folder", "words"), [("", ()), ("", ("--compose", "docker-compose.prod.yml")), ("docker", ())]
)
def test_a_file_that_only_changes_another_one_is_not_taken_for_the_application(
    tmp_path: Path, monkeypatch, folder: str, words: tuple[str, ...]
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "docker-compose.yml").write_text(_BASE)
    (tmp_path / folder / "docker-compose.prod.yml").write_text(_OVERRIDE)
    (tmp_path / folder / "compose.yaml").write_text("services: [\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.7", *words])
    at = f"{folder}/" if folder else ""
    assert isinstance(done.exception, WrongUse)
    assert "service web has neither image nor build here" in str(done.exception)
    assert f"part of {at}docker-compose.yml" in str(done.exception)
    merge = f"docker compose -f {at}docker-compose.yml -f {at}docker-compose.prod.yml config --no-interpolate "
    assert merge in done.exception.todo
    assert f"--compose {at}compose.production.yml" in done.exception.todo
    assert not (tmp_path / ".homeguru").exists()


def test_a_service_of_nothing_is_named(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "compose.yml").write_text("services:\n  web: {restart: always}\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.7"])
    assert "service web has neither image nor build" in str(done.exception)


_WEB = "services:\n  web:\n    build: .\n    env_file: {}\n"


def _reads(root: Path, monkeypatch, env_file: str, files: dict[str, str]) -> tuple[dict, str]:
    """A service's variables as `init` reads them of env files, and what it said."""
    (root / "compose.yml").write_text(_WEB.format(env_file))
    (root / "Dockerfile").write_text("FROM scratch\n")
    for path, text in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    monkeypatch.chdir(root)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.7"])
    assert done.exit_code == 0, done.output + str(done.exception)
    return compose_of(root)["services"]["web"].get("environment", {}), done.output


@pytest.mark.parametrize(
    ("env_file", "files", "names", "said"),
    [
        ("[.env, config/app.env]", {".env": "A=1\n", "config/app.env": "B=1\n"}, "AB", ""),
        ("config/app.env", {"config/app.env": "B=1\n"}, "B", ""),
        ("config/app.env", {"config/app.env.example": "B=1\n"}, "B", ""),
        ("config/app.env", {"config/app.env": ""}, "", ""),
        ("[.env, other.env]", {".env": "A=1\n"}, "A", "web: other.env is not there: name its variables"),
        (".env", {".env": "export A=1\nB\nexport C\n# no\nD=\n"}, "ABCD", ""),
        (".env", {".env": "A=1\nsome-thing=hunter22\nB=1\n"}, "AB", "web: line 2 of .env is not NAME=value"),
        ("[{path: app.env, required: false}]", {"app.env": "A=1\n"}, "A", ""),
        ("[{path: app.env, required: false}]", {}, "", "web: app.env is optional and not there: left out"),
        ("[{path: app.env, format: raw}, {path: more.env}]", {"app.env": "A=1\n", "more.env": "B=1\n"}, "AB", ""),
        ("${WHICH:-app}.env", {"app.env": "A=1\n"}, "A", ""),
        ("../other.env", {}, "", "web: ../other.env lies outside of the repository: name its variables"),
    ],
)  # fmt: skip
def test_every_env_file_that_a_service_names_is_read(
    tmp_path: Path, monkeypatch, env_file: str, files: dict, names: str, said: str
) -> None:
    environment, output = _reads(tmp_path, monkeypatch, env_file, files)
    assert environment == {name: f"${{{name}}}" for name in names}
    assert said in output
    assert said or not [x for x in ("not there", "is not NAME", "left out") if x in output]
    assert "hunter22" not in output


def test_what_has_no_example_is_said_to_want_a_value(tmp_path: Path, monkeypatch) -> None:
    files = {".env": "LEVEL=info\nEMPTY=\nAPI_TOKEN=x\n", ".env.example": "EMPTY=\n"}
    _, output = _reads(tmp_path, monkeypatch, ".env", files)
    assert "web: .env gives LEVEL a value, which is written nowhere" in output
    assert "API_TOKEN a value" not in output


def test_of_two_env_files_that_give_a_name_values_the_last_one_counts(
    tmp_path: Path, monkeypatch
) -> None:
    """As in Compose."""
    files = {"a.env.example": "PORT=1\nX=1\n", "b.env.example": "PORT=2\n"}
    _reads(tmp_path, monkeypatch, "[a.env, b.env]", files)
    assert load("production").environment.variables == {"PORT": "2", "X": "1"}


def test_what_git_lists_and_is_gone_is_not_read(tmp_path: Path, monkeypatch) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    (tmp_path / "docker-compose.prod.yml").write_text(_WEB.format(".env"))
    (tmp_path / ".env.sample").write_text("A=1\n")
    git("init", "-q")
    git("add", ".")
    (tmp_path / "docker-compose.prod.yml").unlink()
    (tmp_path / ".env.sample").rename(tmp_path / ".env.example")
    (tmp_path / ".env.dangling").symlink_to("nowhere")
    git("add", ".env.dangling")
    environment, _ = _reads(tmp_path, monkeypatch, ".env", {})
    assert environment == {"A": "${A}"}
    assert read_repository(tmp_path).compose_file == "compose.yml"


def test_variables_in_lower_case_get_the_names_that_an_environment_takes(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "compose.yml").write_text(
        "services:\n  web:\n    build: .\n    env_file: .env\n    labels: {l: '${team:-${log_level}}', m: '$$not'}\n"
        "    environment: {level: '${log_level}', api_token: hunter22, PW: $db_pass, OK: '${OK}'}\n"
        "  db:\n    image: postgres:${pg_version}\n    environment: {POSTGRES_PASSWORD: '${db_pass}'}\n"
    )
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".env.example").write_text(
        "db_pass=secret\nlog_level=info\npg_version=16\nurl=postgres://postgres:${db_pass}@db/x\nOK=5$$a\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS", raising=False)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "203.0.113.7"])
    assert done.exit_code == 0, done.output + str(done.exception)
    web = compose_of(tmp_path)["services"]["web"]
    # What the application reads keeps its name.
    assert web["environment"] == {
        "db_pass": "${DB_PASS}", "log_level": "${LOG_LEVEL}", "pg_version": "${PG_VERSION}", "level": "${LOG_LEVEL}",
        "url": "postgres://${DATABASE_LOGIN:-postgres}:${DB_PASS}@db/x", "api_token": "${API_TOKEN}", "PW": "$DB_PASS", "OK": "${OK}",
    }  # fmt: skip
    assert web["labels"] == {"l": "${TEAM:-${LOG_LEVEL}}", "m": "$$not"}
    said = "db_pass, log_level, pg_version, team: in the environment's file a name is of capitals: DB_PASS, LOG_LEVEL, PG_VERSION, TEAM"
    assert f"note: {said}" in done.output
    environment = load("production").environment
    assert environment.variables == {"LOG_LEVEL": "info", "PG_VERSION": "16", "OK": "5$a"}
    assert secrets_of(tmp_path).keys() == {"DB_PASS", "API_TOKEN"}
    located = load("production")
    check_stack(located.compose_file, read_stack(located.compose_file))


def test_an_env_file_that_nobody_may_read_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "compose.yml").write_text(_WEB.format(".env"))
    (tmp_path / ".env").write_text("A=1\n")
    real = Path.read_text

    def refused(file: Path, *words, **more) -> str:
        if file.name == ".env":
            raise PermissionError(13, "Permission denied")
        return real(file, *words, **more)

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(WrongUse, match="cannot be read: Permission denied"):
        read_repository(tmp_path)


def test_an_ordinary_repository_of_a_windows_laptop(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "compose.yml").write_text(
        "name: ${COMPOSE_PROJECT_NAME:-shop}\nservices:\n  web:\n    build: {context: ., args: {NPM_TOKEN: '${NPM_TOKEN}'}}\n"
        "    env_file: .env\n    ports: ['8000:8000']\n"
    )
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".env.example").write_bytes(b"\xef\xbb\xbfGREETING=hello\r\nNPM_TOKEN=changeme\r\n")
    (tmp_path / ".gitignore").write_bytes(b"dist\r\n.env")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOMEGURU_ENVIRONMENTS", raising=False)
    done = CliRunner().invoke(app, ["init", "--yes", "--address", "2001:db8::7"])
    assert done.exit_code == 0, done.output + str(done.exception)
    environment = load("production").environment
    assert environment.project == "shop"
    assert environment.variables["GREETING"] == "hello"
    assert environment.urls == {"web": "http://[2001:db8::7]:8000"}
    assert environment.build == {}
    assert "NPM_TOKEN looks like a secret" in done.output
    ignored = (tmp_path / ".gitignore").read_bytes()
    assert ignored == b"dist\r\n.env\r\n.homeguru/*.secrets.env\r\n"
