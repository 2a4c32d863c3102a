"""What `init` makes of parts of a repository, without one."""

from __future__ import annotations

import pytest

from deployments.compose.references import in_capitals, variable_name
from deployments.environment.secret_kinds import is_secret
from deployments.errors import WrongUse
from deployments.onboarding.compose import adapt
from deployments.onboarding.environment_file import registry_port
from deployments.onboarding.health import health_route
from deployments.onboarding.repository import Repository


def of_services(bodies: dict, **texts: str) -> Repository:
    return Repository("x", frozenset(texts), "compose.yml", {"services": bodies}, texts=texts)


@pytest.mark.parametrize(
    ("image", "path"),
    [("postgres:18", "/var/lib/postgresql"), ("mysql:8", "/var/lib/mysql"), ("mongo", "/data/db")],
)
def test_each_database_without_a_volume_gets_one_where_its_data_lies(image: str, path: str) -> None:
    edits = adapt(of_services({"db": {"image": image}})).edits
    (volumes,) = [e.value for e in edits if e.path[-1] == "volumes"]
    assert volumes[0].endswith(f":{path}")


def test_a_dockerfile_without_a_port_is_said_to_be_reached_by_nobody() -> None:
    found = Repository("x", frozenset({"Dockerfile"}), texts={"Dockerfile": "FROM python:3.11\n"})
    assert "no EXPOSE" in adapt(found).notes[0]


@pytest.mark.parametrize(
    ("file", "beside", "said"),
    [("docker/compose.yml", "docker/compose.override.yml", True),
     ("docker-compose.yml", "docker-compose.override.yaml", True),
     ("compose.prod.yml", "compose.override.yml", False)],
)  # fmt: skip
def test_what_compose_would_read_besides_is_named(file: str, beside: str, said: bool) -> None:
    """It reads that without being told to, beside its own two names alone."""
    found = Repository("x", frozenset({file, beside}), file, {"services": {"a": {"image": "b"}}})
    notes = [note for note in adapt(found).notes if note.startswith(f"{beside} is left out")]
    assert bool(notes) == said


def test_the_password_of_an_address_is_that_of_its_host_and_user() -> None:
    database = {"image": "postgres:16", "environment": {"POSTGRES_USER": "me", "POSTGRES_PASSWORD": "${DB_PW:-x}"}}  # fmt: skip
    web = {"build": ".", "environment": {"A": "postgres://me:other@db/x", "B": "postgres://you:other@db/x"}}  # fmt: skip
    found = of_services({"db": database, "web": web})
    changed = {e.path[1:]: e.value for e in adapt(found).edits if e.path[0] == "services"}
    values = changed["web", "environment"]
    assert values == {"A": "postgres://me:${DB_PW}@db/x", "B": "${B}"}


def test_a_variable_is_collected_wherever_a_service_names_it() -> None:
    """Else the first deploy would be refused for a name that nobody was told of."""
    web = {
        "build": ".", "ports": ["${WEB_PORT:-8080}:80"], "image": "${MY_IMAGE}",
        "command": ["serve", "--level", "${LOG_LEVEL}"], "labels": {"team.${TEAM}": "${OWNER:-me}"},
        "volumes": ["${DATA:?where}:/data", "${OPTIONAL:-./x}:/x"],
        "healthcheck": {"test": "curl -H 'x: ${API_TOKEN}' localhost", "interval": "${EVERY}"},
    }  # fmt: skip
    found = adapt(of_services({"web": web}))
    assert found.variables.keys() >= {"LOG_LEVEL", "TEAM", "EVERY"}
    assert not found.variables.keys() & {"OWNER", "OPTIONAL", "WEB_PORT", "MY_IMAGE"}
    assert "API_TOKEN" in found.secrets


def test_the_image_of_a_service_that_begins_with_a_digit() -> None:
    """The deploy would refuse a variable that does."""
    changed = {e.path[1:]: e.value for e in adapt(of_services({"3d": {"build": "."}})).edits}
    assert changed["3d", "image"] == "${S_3D_IMAGE}"


def test_a_password_that_is_also_a_user_and_a_name_stays_those() -> None:
    same = {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "postgres", "POSTGRES_DB": "postgres"}
    check = {"test": ["CMD", "redis-cli", "-a", "hunter22", "ping"]}
    bodies = {
        "db": {"image": "postgres:16", "environment": same, "command": "postgres -c fsync=off"},
        "redis": {"image": "redis", "command": "redis-server --requirepass hunter22", "healthcheck": check},
        "web": {"build": ".", "environment": {
            "REDIS_PASSWORD": "hunter22", "URL": "${URL:-postgres://postgres:postgres@db/postgres}"}},
    }  # fmt: skip
    found = adapt(of_services(bodies))
    changed = {e.path[1:]: e.value for e in found.edits if e.path[0] == "services"}
    assert changed["db", "environment"] == {**same, "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}"}
    assert ("db", "command") not in changed
    assert changed["redis", "command"] == "redis-server --requirepass ${REDIS_PASSWORD}"
    assert changed["redis", "healthcheck"]["test"][3] == "${REDIS_PASSWORD}"
    address = "${URL:-postgres://postgres:${POSTGRES_PASSWORD}@db/postgres}"
    assert changed["web", "environment"]["URL"] == address
    assert found.secrets == {"POSTGRES_PASSWORD": "random", "REDIS_PASSWORD": "random"}


def test_a_health_route_is_looked_for_in_what_an_image_copies() -> None:
    texts = {
        "api/Dockerfile": "FROM x\nCOPY package.json ./\nCOPY api api\n", "api/server.js": "'/health'",
        "web/Dockerfile": "FROM x\nCOPY [\"web\", \"web\"]\nCOPY --from=x /y /z\n", "web/server.js": "'/'",
        "all/Dockerfile": "FROM x\nCOPY . .\n",
    }  # fmt: skip
    bodies = {
        name: {"build": {"context": ".", "dockerfile": f"{name}/Dockerfile"}, "ports": [f"{n}:1"]}
        for n, name in enumerate(("api", "web", "all"), start=1)
    }
    files = frozenset(texts)
    found = adapt(Repository("x", files, "compose.yml", {"services": bodies}, texts))
    health = {name: route.health for name, route in found.routes.items()}
    assert health == {"api": "/health", "web": "/", "all": "/health"}


def test_what_is_said_about_a_secret_is_no_secret() -> None:
    for name in ("ACCESS_TOKEN_EXPIRE_MINUTES", "POSTGRES_PASSWORD_FILE", "JWT_SECRET_ALGORITHM"):
        assert not is_secret(name, "30")
    for name in ("JWT_SECRET", "STRIPE_API_KEY", "DB_PASS", "SECRET_KEY_BASE"):
        assert is_secret(name)


def test_two_services_whose_localhost_differs_keep_their_own() -> None:
    one = {"build": "a", "ports": ["1000:1"], "environment": {"URL": "http://localhost:1000"}}
    two = {"build": "b", "ports": ["2000:1"], "environment": {"URL": "http://localhost:2000"}}
    found = adapt(of_services({"a": one, "b": two}))
    assert found.variables == {"URL": "http://localhost:1000"}
    assert any("b: URL names localhost" in note for note in found.notes)


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("npx prisma migrate deploy", True), (["sh", "-c", "sleep 5 && alembic upgrade head"], True),
        ("sh -c 'alembic upgrade head && uvicorn app:app'", False), ("npm run db:migrate", True),
        ("sh -c 'python manage.py migrate; exec gunicorn x'", False), ("python server.py", False),
        (["sh", "-c", "python manage.py migrate\ngunicorn shop.wsgi\n"], False),
        (["sh", "-c", "set -e\nalembic \\\n  upgrade head\n# then it ends\n"], True),
        ("sh -c 'alembic upgrade head || true'", False), ("npm run start:migrate:prod", False),
    ],
)  # fmt: skip
def test_a_service_that_only_migrates_is_known_by_its_command(command, ends: bool) -> None:
    bodies = {"a": {"build": ".", "command": command}, "b": {"build": "."}}
    found = adapt(of_services(bodies))
    changed = [e.value for e in found.edits if e.path == ("services", "b", "depends_on")]
    assert changed == ([{"a": {"condition": "service_completed_successfully"}}] if ends else [])
    assert found.order == ["a", "b"]


@pytest.mark.parametrize(
    ("command", "served"),
    [
        ("uvicorn app:app --reload --port 8000", "uvicorn app:app --port 8000"),
        ("python -m uvicorn app:app --reload-dir /code --reload", "python -m uvicorn app:app"),
        (["uvicorn", "app:app", "--reload", "--reload-dir", "src"], ["uvicorn", "app:app"]),
        (["sh", "-c", "alembic upgrade head && uvicorn a:a --reload"], ["sh", "-c", "alembic upgrade head && uvicorn a:a"]),
        ("sh -c 'gunicorn a:a --reload --reload-engine=poll'", "sh -c 'gunicorn a:a'"),
        ("flask --app shop run --debug --host 0.0.0.0", "flask --app shop run --host 0.0.0.0"),
        ("flask --app shop --debug run", "flask --app shop run"),
        ("fastapi dev main.py --host 0.0.0.0", "fastapi run main.py --host 0.0.0.0"),
        (["fastapi", "dev"], ["fastapi", "run"]),
        ("uvicorn app:app --port 8000", None), ("celery -A shop worker --debug", None),
        ("python serve.py --reload", None), ("uvicorn app:app --reloader-x", None), (None, None),
    ],
)  # fmt: skip
def test_a_command_that_reloads_is_for_development(command, served) -> None:
    found = adapt(of_services({"web": {"build": ".", "command": command}}))
    changed = [e for e in found.edits if e.path == ("services", "web", "command")]
    assert [e.value for e in changed] == ([served] if served else [])
    assert all("reloading is for development" in e.why for e in changed)


@pytest.mark.parametrize(
    ("dockerfile", "target", "served"),
    [
        ('FROM python\nCMD ["uvicorn", "a:a", "--reload"]', "", ["uvicorn", "a:a"]),
        ("FROM python\nCMD uvicorn a:a --port $PORT \\\n  --reload", "",
         ["/bin/sh", "-c", "uvicorn a:a --port $$PORT"]),
        ('FROM python AS base\nCMD ["fastapi", "dev"]\nFROM base\nRUN x', "", ["fastapi", "run"]),
        ('FROM python AS dev\nCMD ["fastapi", "dev"]\nFROM dev AS prod\nCMD ["fastapi", "run"]', "", None),
        ('FROM python AS dev\nCMD ["fastapi", "dev"]\nFROM dev AS prod\nCMD ["fastapi", "run"]', "dev",
         ["fastapi", "run"]),
        ('FROM python\nCMD ["python", "a.py"]', "", None), ("FROM scratch", "", None), ("", "", None),
        ('FROM a AS b\nFROM b AS a', "", None),
    ],
)  # fmt: skip
def test_a_dockerfile_that_reloads_is_for_development(dockerfile, target, served) -> None:
    build = {"context": ".", "target": target} if target else "."
    found = adapt(of_services({"web": {"build": build}}, Dockerfile=dockerfile))
    changed = [e for e in found.edits if e.path == ("services", "web", "command")]
    assert [e.value for e in changed] == ([served] if served else [])


def test_a_command_of_the_compose_file_comes_before_the_dockerfile_s() -> None:
    dockerfile = 'FROM python\nCMD ["uvicorn", "a:a", "--reload"]'
    body = {"build": ".", "command": "python a.py"}
    found = adapt(of_services({"web": body}, Dockerfile=dockerfile))
    assert not [e for e in found.edits if e.path == ("services", "web", "command")]


def test_a_command_that_reloads_and_holds_a_password_loses_both() -> None:
    environment = {"API_TOKEN": "hunter22"}
    command = "uvicorn app:app --reload --header t:hunter22"
    body = {"build": ".", "environment": environment, "command": command}
    edits = adapt(of_services({"web": body})).edits
    last = [e.value for e in edits if e.path == ("services", "web", "command")][-1]
    assert last == "uvicorn app:app --header t:${API_TOKEN}"


def test_a_migration_that_only_a_person_starts_does_not_count() -> None:
    texts = {"Makefile": "migrate:\n\talembic upgrade head\n", "dev.sh": "alembic upgrade head\n", "Dockerfile": "CMD x\n"}  # fmt: skip
    files = frozenset({"alembic.ini", *texts})
    compose = {"services": {"web": {"build": "."}}}
    found = adapt(Repository("x", files, "compose.yml", compose, texts))
    assert ("services", "migrate") in [e.path for e in found.edits]
    started = {**texts, "Dockerfile": 'CMD ["./dev.sh"]\n'}
    found = adapt(Repository("x", files, "compose.yml", compose, started))
    assert ("services", "migrate") not in [e.path for e in found.edits]


def test_what_is_built_from_outside_is_refused() -> None:
    found = of_services({"api": {"build": "../api"}})
    with pytest.raises(WrongUse, match="service api is built from outside of this repository"):
        adapt(found)


@pytest.mark.parametrize(
    ("path", "text", "route"),
    [
        ("shop/urls.py", "path('health/', ok)", "/health/"),
        ("src/app.controller.ts", "@Get('health')", "/health"),
        ("src/app/api/health/route.ts", "export const GET = ok", "/api/health"),
        ("pages/api/healthz.js", "export default ok", "/api/healthz"),
        ("main.py", "print('up')", "/"),
    ],
)
def test_the_health_route_of_each_framework(path: str, text: str, route: str) -> None:
    assert health_route({path: text}) == route


def test_two_applications_of_one_server_have_a_registry_each() -> None:
    ports = {registry_port(name) for name in ("store", "orders", "board", "guestbook")}
    assert len(ports) == 4
    assert all(20_000 <= port < 30_000 for port in ports)


def _shop(**more) -> Repository:
    """An api and its PostgreSQL."""
    db = {"image": "postgres:16", "environment": {"POSTGRES_PASSWORD": "hunter22", **more}}
    address = "postgresql://postgres:hunter22@db:5432/postgres"
    api = {"build": ".", "environment": {"DATABASE_URL": address}, "depends_on": ["db"]}
    return of_services({"db": db, "api": api})


def test_a_database_is_asked_as_a_user_that_it_has() -> None:
    """Any other one is a line in its log, every ten seconds for ever."""
    (change,) = [e for e in adapt(_shop()).edits if e.path[-1:] == ("healthcheck",)]
    test = ["CMD-SHELL", 'pg_isready -h 127.0.0.1 -U "$${POSTGRES_USER:-postgres}" -d postgres']
    assert change.value["test"] == test


def _logins(*services: dict) -> tuple[str, list[dict[str, str]]]:
    """The application's role, and the environment of each service that has the database's password."""
    database = {
        "image": "postgres:16",
        "environment": {"POSTGRES_USER": "me", "POSTGRES_PASSWORD": "hunter22"},
    }
    bodies = {f"s{n}": {"build": ".", **body} for n, body in enumerate(services)}
    found = adapt(of_services({"db": database, **bodies}, **{".env": "POSTGRES_USER=me\n"}))
    changed = {e.path[1:]: e.value for e in found.edits if e.path[0] == "services"}
    return found.database["application"]["role"], [changed[n, "environment"] for n in bodies]


def test_two_roles_take_turns_where_a_variable_names_them_to_all_who_log_in() -> None:
    address = "postgres://${POSTGRES_USER:-me}:${POSTGRES_PASSWORD:-hunter22}@db:5432/me"
    parts = {"DB_USER": "me", "POSTGRES_PASSWORD": "hunter22", "OWNER": "me", "PGUSER": "other"}
    role, (first, second) = _logins({"environment": {"URL": address}}, {"environment": parts})
    assert role == "${DATABASE_LOGIN:-me}"
    assert first["URL"].startswith(
        "postgres://${DATABASE_LOGIN:-${POSTGRES_USER:-me}}:${POSTGRES_PASSWORD"
    )
    assert (second["DB_USER"], second["OWNER"]) == ("${DATABASE_LOGIN:-me}", "me")
    assert second["PGUSER"] == "other"


@pytest.mark.parametrize(
    "other",
    [
        {"environment": {"POSTGRES_PASSWORD": "hunter22"}},
        {
            "environment": {"POSTGRES_PASSWORD": "hunter22"},
            "command": "serve postgres://me:hunter22@db/me",
        },
    ],
)
def test_one_role_where_somebody_has_the_password_and_no_name_of_a_variable(other) -> None:
    """It would log in as one role with the password of the other."""
    url = {"environment": {"URL": "postgres://me:hunter22@db/me"}}
    role, (first, _) = _logins(url, other)
    assert (role, first["URL"]) == ("me", "postgres://me:${POSTGRES_PASSWORD}@db/me")


def test_the_database_is_described_so_that_a_release_backs_it_up() -> None:
    role = {"role": "postgres", "password": "POSTGRES_PASSWORD"}
    found = adapt(_shop())
    assert found.database == {
        "service": "db", "superuser": "postgres", "name": "postgres", "owner": role,
        "application": {**role, "role": "${DATABASE_LOGIN:-postgres}"},
        "revision": "SELECT 'unversioned'",
    }  # fmt: skip
    assert found.edits[-1].value["database"] == found.database
    assert "migrate" not in found.edits[-1].value


def test_a_database_that_is_not_known_for_sure_is_said_to_have_no_backup() -> None:
    other = adapt(_shop(POSTGRES_DB="another"))
    assert other.database == {}
    assert any("db: no release backs it up, since postgres is used" in n for n in other.notes)
    two = adapt(
        of_services({"a": {"image": "postgres:16"}, "b": {"image": "postgis/postgis:16-3.4"}})
    )
    assert any("a, b: no release backs it up, since there are several" in n for n in two.notes)
    secret = adapt(of_services({"a": {"image": "postgres:16"}}))
    assert any("its password is not in the Compose file" in n for n in secret.notes)


@pytest.mark.parametrize(
    ("command", "words", "sql"),
    [
        ("alembic upgrade head", ["alembic"], True),
        (["uv", "run", "alembic", "upgrade", "head"], ["uv", "run", "alembic"], True),
        ("alembic upgrade head", ["alembic"], False),
    ],
)  # fmt: skip
def test_a_service_that_migrates_is_run_by_a_release_and_not_on_the_way_back(
    command, words: list[str], sql: bool
) -> None:
    shop = _shop()
    services = shop.compose["services"]
    services["schema"] = {
        "build": ".",
        "command": command,
        "environment": services["api"]["environment"],
    }
    waits = {
        "db": {"condition": "service_started"},
        "schema": {"condition": "service_completed_successfully"},
    }
    services["api"]["depends_on"] = waits
    texts = {"migrations/env.py": "if context.is_offline_mode(): ..." if sql else "online()"}
    found = adapt(Repository("x", frozenset(texts), "compose.yml", {"services": services}, texts))
    values = {e.path: e.value for e in found.edits}
    assert values["services", "schema", "profiles"] == ["migrate"]
    assert values["services", "api", "depends_on"] == {"db": waits["db"]}
    migrate = found.edits[-1].value["migrate"]
    assert (migrate["service"], migrate["image_of"]) == ("schema", "api")
    assert migrate["command"] == [*words, "upgrade", "head"]
    assert migrate["downgrade"] == [*words, "downgrade", "{to}"]
    assert migrate.get("sql") == ([*words, "upgrade", "{from}:head", "--sql"] if sql else None)
    assert found.database["revision"] == "SELECT version_num FROM alembic_version"


def test_a_migration_that_is_not_known_still_ends_before_the_others_start() -> None:
    shop = _shop()
    services = shop.compose["services"]
    services["schema"] = {"build": ".", "command": "node migrate.js"}
    found = adapt(of_services(services))
    values = {e.path: e.value for e in found.edits}
    assert "schema" in values["services", "api", "depends_on"]
    assert found.migrate == {}


def _volumes(body: dict, files: dict[str, str]) -> tuple[list, list]:
    """Volumes and configs of a service in what `init` writes."""
    given = dict.fromkeys(files, "") | files
    edits = adapt(of_services({"it": body}, **given)).edits
    changed = {e.path[2]: e.value for e in edits if e.path[:2] == ("services", "it")}
    configs = [c["target"] for c in changed.get("configs") or ()]
    return changed.get("volumes", body["volumes"]), configs


@pytest.mark.parametrize(
    ("image", "mount", "files"),
    [
        ("mysql:8", "./mysql:/var/lib/mysql", {"mysql/.gitkeep": ""}),
        ("redis:7", "./redis/:/data", {"redis/.gitignore": "*"}),
        ("postgres:16", "./pg:/var/lib/postgresql/data", {"pg/seed.sql": ""}),
        ("grafana/grafana", "./grafana:/var/lib/grafana", {"grafana/grafana.db": ""}),
    ],
)
def test_a_folder_in_which_data_lies_stays_one(image: str, mount: str, files) -> None:
    """Whatever Git keeps there: without the folder the data would go with the container."""
    assert _volumes({"image": image, "volumes": [mount]}, files) == ([mount], [])


def test_files_of_the_repository_reach_a_server_that_is_not_built_here() -> None:
    body = {"image": "grafana/grafana", "volumes": ["./boards:/var/lib/grafana/dashboards"]}
    volumes, configs = _volumes(body, {"boards/a.json": "{}", "boards/.gitkeep": ""})
    assert (volumes, configs) == (None, ["/var/lib/grafana/dashboards/a.json"])


@pytest.mark.parametrize(
    ("context", "mount", "kept", "configs"),
    [
        (".", "./src:/app/src", None, []),
        (".", ".:/app", None, []),
        (".", "./data:/data", ["./data:/data"], []),
        (".", "./uploads:/app/uploads", ["./uploads:/app/uploads"], []),
        ("src", "./scripts:/scripts", None, ["/scripts/run.sh"]),
    ],
)
def test_what_is_mounted_into_a_built_service(context: str, mount: str, kept, configs) -> None:
    """Code is in its image; data is not, and neither is what lies outside of its context."""
    files = {"src/main.py": "", "src/Dockerfile": "FROM x\n", "Dockerfile": "FROM x\n",
             "data/seed.py": "", "uploads/x.js": "", "scripts/run.sh": ""}  # fmt: skip
    assert _volumes({"build": context, "volumes": [mount]}, files) == (kept, configs)


def test_what_an_example_gives_to_variables_of_an_image_and_a_port_counts() -> None:
    bodies = {
        "db": {"image": "postgres:${PG_VERSION}"},
        "web": {"build": ".", "ports": ["${WEB_PORT}:8000"]},
    }
    env = {".env.example": {"PG_VERSION": "18", "WEB_PORT": "8080"}}
    found = Repository("x", frozenset({"Dockerfile"}), "compose.yml", {"services": bodies},
                       {"Dockerfile": "FROM x\n"}, env)  # fmt: skip
    made = adapt(found)
    assert made.infrastructure["db"] == "docker.io/library/postgres:18"
    assert made.routes["web"].listen == 8080
    (volumes,) = [e.value for e in made.edits if e.path[1:] == ("db", "volumes")]
    assert volumes[0].endswith(":/var/lib/postgresql")


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("8080:80", ""), ("0.0.0.0:8080:80", ""), ("[::]:8080:80", ""), ("127.0.0.2:8080:80", "127.0.0.1"),
        ("[::1]:8080:80", "127.0.0.1"), ("10.8.0.1:8080:80", "10.8.0.1"), ("[fd00::1]:8080:80", "[fd00::1]"),
        ("${BIND:-10.8.0.1}:8080:80", "10.8.0.1"),
        ({"target": 80, "published": "8080", "host_ip": "10.8.0.1"}, "10.8.0.1"),
        ({"target": 80, "published": "8080", "host_ip": "fd00::1"}, "[fd00::1]"),
        ({"target": 80, "published": "8080", "host_ip": "::1"}, "127.0.0.1"),
    ],
)  # fmt: skip
def test_a_port_stays_bound_to_its_address(entry: object, address: str) -> None:
    made = adapt(of_services({"web": {"build": ".", "ports": [entry]}}))
    route = made.routes["web"]
    assert (route.listen, route.port, route.address) == (8080, 80, address)
    alone = any("reached on the server alone" in note for note in made.notes)
    assert alone == (address == "127.0.0.1")


@pytest.mark.parametrize(
    "source", ["${PG_DIR:-./pg}", "${A:-${B:-x:y}}/pg", "${A:-{b}:x}", "./p$$g"]
)
def test_a_default_of_a_variable_ends_no_mount(source: str) -> None:
    mount = f"{source}:/var/lib/postgresql/data:Z"
    assert _volumes({"image": "postgres:16", "volumes": [mount]}, {}) == ([mount], [])


def test_an_image_that_is_nothing_without_its_variable_is_refused() -> None:
    with pytest.raises(WrongUse, match=r"'postgres:\$\{PG_VERSION\}' names nothing"):
        adapt(of_services({"db": {"image": "postgres:${PG_VERSION}"}}))


def test_two_services_whose_env_files_differ_keep_their_own() -> None:
    """The environment's file has one value for a name."""
    bodies = {n: {"build": ".", "env_file": f"{n}.env"} for n in ("a", "b")}
    env = {
        "a.env.example": {"PORT": "1", "API_TOKEN": "x", "SAME": "y"},
        "b.env.example": {"PORT": "$2", "API_TOKEN": "z", "SAME": "y"},
    }
    found = Repository("x", frozenset(), "compose.yml", {"services": bodies}, env_files=env)
    made = adapt(found)
    changed = {e.path[1]: e.value for e in made.edits if e.path[2:] == ("environment",)}
    same = {"API_TOKEN": "${API_TOKEN}", "SAME": "${SAME}"}
    assert changed == {"a": {**same, "PORT": "${PORT}"}, "b": {**same, "PORT": "$$2"}}
    assert made.variables == {"PORT": "1", "SAME": "y"}
    assert (
        "b: PORT of b.env is another value elsewhere, and stands in the Compose file" in made.notes
    )


@pytest.mark.parametrize("given", [3, [{"required": False}], [None], {"path": "x"}])
def test_an_env_file_of_no_known_form_is_no_traceback(given: object) -> None:
    adapt(of_services({"a": {"build": ".", "env_file": given}}))


def test_a_flag_about_a_secret_is_none() -> None:
    flags = {
        "MYSQL_ALLOW_EMPTY_PASSWORD": "1", "ALLOW_EMPTY_PASSWORD": "yes", "MYSQL_RANDOM_ROOT_PASSWORD": "yes",
        "TOKEN_REQUIRED": "1", "USE_TOKEN": "0", "CSRF_TOKEN_SECURE": "true", "COOKIE_SECRET_ROTATES": "On",
        "PRIVATE": "False", "HAS_API_KEY": "0",
    }  # fmt: skip
    assert not [name for name, value in flags.items() if is_secret(name, value)]
    assert is_secret("REDIS_PASSWORD", "1")
    assert is_secret("SINGLE_USE_TOKEN", "abc")
    assert is_secret("SINGLE_USE_TOKEN")


def test_a_flag_is_a_word_of_a_command_and_stays_as_compose_writes_it() -> None:
    environment = {
        "DEBUG": False, "MYSQL_ALLOW_EMPTY_PASSWORD": True, "TOKEN_ROTATES": "yes", "N": 1, "F": 1.5,
        "API_TOKEN": "hunter22", "EMPTY": "",
    }  # fmt: skip
    body = {"image": "x/y:1", "environment": environment, "command": "sh -c 'yes | run --tls true'"}
    made = adapt(of_services({"a": body}))
    changed = {e.path[2]: e.value for e in made.edits if e.path[:2] == ("services", "a")}
    assert "command" not in changed
    assert changed["environment"] == {
        "DEBUG": "false", "MYSQL_ALLOW_EMPTY_PASSWORD": "true", "TOKEN_ROTATES": "yes", "N": "1",
        "F": "1.5", "API_TOKEN": "${API_TOKEN}", "EMPTY": "",
    }  # fmt: skip
    assert made.secrets == {"API_TOKEN": "asked"}


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("postgres:16", "postgres -c fsync=off"),
        ("redis:7", ["redis-server", "--port", 6379]),
        ("acme/secret:1", "secret serve --secret"),
    ],
)
def test_a_program_of_the_name_of_an_example_password_stays(image: str, command) -> None:
    """`postgres` is the password of half of all examples."""
    word = image.split(":")[0].split("/")[-1]
    body = {"image": image, "command": command, "environment": {"POSTGRES_PASSWORD": word}}
    made = adapt(of_services({"db": body}))
    assert not [e for e in made.edits if e.path == ("services", "db", "command")]
    assert made.secrets == {"POSTGRES_PASSWORD": "random"}


def test_only_flags_in_an_environment_change_nothing_of_it() -> None:
    made = adapt(of_services({"a": {"image": "x/y:1", "environment": {"DEBUG": False, "N": 1}}}))
    assert not [e for e in made.edits if e.path[-1] == "environment"]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("$a ${b} ${c:-${d:-$e}} ${f?not g}", "$A ${B} ${C:-${D:-$E}} ${F?not g}"),
        ("$$a $${b} $ ${A} 5$ ${", "$$a $${b} $ ${A} 5$ ${"),
        ("${_x} ${mixedCase_1}", "${X} ${MIXEDCASE_1}"),
    ],
)
def test_references_in_capitals(text: str, after: str) -> None:
    assert in_capitals(text)[0] == after


def test_variable_names_of_other_forms() -> None:
    names = ("db.pass", "3d", "A__B", "_x")
    assert [variable_name(name) for name in names] == ["DB_PASS", "V_3D", "A__B", "X"]
