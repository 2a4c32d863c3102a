"""Passwords and addresses of examples: what was equal stays equal, what was a reference stays one."""

from __future__ import annotations

import pytest

from deployments.compose.env_file import parse_developers
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.compose import adapt
from deployments.onboarding.repository import Repository


def _shop(example: dict[str, str], db: object = None, **web: object) -> tuple[dict, Adaptation]:
    """The application's environment in what `init` writes, and all of that."""
    database = {"image": "postgres:16", "environment": db} if db else {"image": "postgres:16", "env_file": ".env"}  # fmt: skip
    bodies = {"db": database, "web": {"build": ".", **(web or {"env_file": ".env"})}}
    made = adapt(
        Repository(
            "x",
            frozenset(),
            "compose.yml",
            {"services": bodies},
            env_files={".env.example": example},
        )
    )
    changed = {e.path[1:]: e.value for e in made.edits if e.path[0] == "services"}
    return {k: changed.get(("web", k), web.get(k)) for k in ("environment", "command")}, made


def test_equal_passwords_of_one_database_are_one_secret() -> None:
    example = {"POSTGRES_PASSWORD": "secret", "DB_PASSWORD": "secret", "SMTP_PASSWORD": "secret"}
    web, made = _shop(example)
    one = "${POSTGRES_PASSWORD}"
    assert web["environment"] == {
        "POSTGRES_PASSWORD": one, "DB_PASSWORD": one, "SMTP_PASSWORD": "${SMTP_PASSWORD}",
    }  # fmt: skip
    # What a mail server gave out is nobody's to make up.
    assert made.secrets == {"POSTGRES_PASSWORD": "random", "SMTP_PASSWORD": "asked"}
    said = [note for note in made.notes if "DB_PASSWORD" in note]
    assert said == ["DB_PASSWORD has the value of POSTGRES_PASSWORD in your files: both are that one secret"]  # fmt: skip


@pytest.mark.parametrize(
    ("example", "db", "text", "after"),
    [
        # Defaults are examples too.
        ({}, "${POSTGRES_PASSWORD:-secret}", "${DB_PASSWORD:-secret}", "${POSTGRES_PASSWORD:-secret}"),
        ({}, "${POSTGRES_PASSWORD:-secret}", "${DB_PASSWORD:-other}", "${DB_PASSWORD:-other}"),
        ({"DB_PASSWORD": "secret"}, "secret", "${DB_PASSWORD}", "${POSTGRES_PASSWORD}"),
        ({"PGPASSWORD": "secret"}, "${PGPASSWORD}", "x:$PGPASSWORD$$", "x:$PGPASSWORD$$"),
        ({"PGPASSWORD": "secret", "DB_PASS": "secret"}, "${DB_PASS}", "$PGPASSWORD$$", "${DB_PASS}$$"),
        # A word that stands in every example says nothing; another one does.
        ({"APP_PASSWORD": "changeme", "DB_PASS": "changeme"}, "${DB_PASS}", "${APP_PASSWORD}", "${APP_PASSWORD}"),
        ({"APP_PASSWORD": "gu9tte", "DB_PASS": "gu9tte"}, "${DB_PASS}", "${APP_PASSWORD}", "${DB_PASS}"),
        ({"REDIS_PASSWORD": "gu9tte", "DB_PASS": "gu9tte"}, "${DB_PASS}", "${REDIS_PASSWORD}", "${REDIS_PASSWORD}"),
    ],
)  # fmt: skip
def test_one_password_wherever_it_is_named(example, db: str, text: str, after: str) -> None:
    web, made = _shop(example, {"POSTGRES_PASSWORD": db}, environment={"IT": text})
    assert web["environment"] == {"IT": after}
    names = {name for name in made.secrets if f"{name}}}" in after or f"{name}:" in after}
    assert names or "PGPASSWORD" in made.secrets


def test_one_password_in_a_command_too() -> None:
    example = {"POSTGRES_PASSWORD": "secret", "DB_PASSWORD": "secret"}
    command = ["migrate", "--password", "${DB_PASSWORD}"]
    web, made = _shop(example, command=command)
    assert web["command"] == ["migrate", "--password", "${POSTGRES_PASSWORD}"]
    assert made.secrets == {"POSTGRES_PASSWORD": "random"}


def test_a_name_that_stays_somewhere_is_asked_for_with_a_word() -> None:
    example = {"POSTGRES_PASSWORD": "secret", "DB_PASSWORD": "secret"}
    _, made = _shop(example, labels={"x": "${DB_PASSWORD}"})
    assert made.secrets == {"POSTGRES_PASSWORD": "random", "DB_PASSWORD": "asked"}
    assert (
        "DB_PASSWORD: give it the value of POSTGRES_PASSWORD, as it has in your files" in made.notes
    )


@pytest.mark.parametrize("given", [{"env_file": ".env"}, {"environment": ["DATABASE_URL"]}, {"environment": {"DATABASE_URL": "${DATABASE_URL:-x}"}}])  # fmt: skip
@pytest.mark.parametrize(
    "address",
    ["postgresql://app:${POSTGRES_PASSWORD}@db/app", "postgresql://app:secret@db/app", "postgresql://app:$DB_PASSWORD@db/app",
     "${SCHEME}://app:${POSTGRES_PASSWORD}@db/app"],
)  # fmt: skip
def test_an_address_in_an_example_has_the_database_s_password(given: dict, address: str) -> None:
    example = {
        "POSTGRES_USER": "app",
        "POSTGRES_PASSWORD": "secret",
        "DB_PASSWORD": "secret",
        "MAIL_PASSWORD": "secret",
        "SCHEME": "postgresql",
        "DATABASE_URL": address,
    }
    web, made = _shop(example, **given)
    text = web["environment"]["DATABASE_URL"]
    assert text.endswith("://app:${POSTGRES_PASSWORD}@db/app")
    assert made.secrets["POSTGRES_PASSWORD"] == "random"
    assert "DATABASE_URL" not in made.secrets
    assert "DATABASE_URL" not in made.variables
    assert made.variables.get("SCHEME", "postgresql") == "postgresql"


def test_references_in_examples_name_other_variables() -> None:
    example = {
        "HOST": "mail", "BASE": "http://${HOST}:25", "URL": "${BASE}/x", "PRICE": "5$$", "LOOP": "${POOL}", "POOL": "${LOOP}",
        "SELF": "${SELF:-x}", "OTHER": "a$b", "SECRET_KEY": "x$Abc", "TOKEN": "${API_TOKEN}", "API_TOKEN": "t",
        "LEAK": "http://me:hunter22@${HOST}/", "MORE": "${HTTP}://me:hunter22@${HOST}/", "HTTP": "http",
    }  # fmt: skip
    web, made = _shop(example)
    environment = web["environment"]
    assert environment["URL"] == "http://${HOST}:25/x"
    assert environment["BASE"] == "http://${HOST}:25"
    assert environment["TOKEN"] == "${API_TOKEN}"
    assert environment["SECRET_KEY"] == "${SECRET_KEY}"
    assert (environment["LEAK"], environment["MORE"]) == ("${LEAK}", "${MORE}")
    assert made.variables["HOST"] == "mail"
    assert made.variables["PRICE"] == "5$"
    assert made.variables["OTHER"] == "a$b"
    assert not {"URL", "BASE", "TOKEN"} & made.variables.keys()
    assert made.secrets.keys() == {"SECRET_KEY", "API_TOKEN", "LEAK", "MORE"}


def test_an_address_of_a_laptop_is_filled_for_the_environment_s_file() -> None:
    example = {"PORT": "8000", "SITE": "http://localhost:${PORT}"}
    web, made = _shop(example, env_file=".env", ports=["8000:80"])
    assert web["environment"]["SITE"] == "${SITE}"
    assert made.variables["SITE"] == "http://localhost:8000"
    # One that stands where nothing is put in its place.
    _, made = _shop(
        {"A": "${B}/x", "B": "y", "C": "u:${D}", "D": "${API_TOKEN}"},
        labels={"l": "${A}", "m": "${C}"},
    )
    assert made.variables["A"] == "y/x"
    assert made.secrets.keys() >= {"C"}


def test_equal_passwords_of_a_private_file_are_one_secret_and_their_value_stays_there() -> None:
    env = {
        ".env": {"POSTGRES_PASSWORD": "hunter22", "DB_PASSWORD": "hunter22", "APP_PASSWORD": "x"}
    }
    bodies = {"db": {"image": "postgres:16", "env_file": ".env"}}
    made = adapt(Repository("x", frozenset(), "compose.yml", {"services": bodies}, env_files=env))
    assert made.secrets == {"POSTGRES_PASSWORD": "random", "APP_PASSWORD": "asked"}
    assert "hunter22" not in str(made)


def test_what_quotes_keep_literal_is_no_reference() -> None:
    values, _ = parse_developers("A='${B}'\nB=\"${C}\"\nexport C=${D}\nE='1\n$2'\n")
    assert values == {"A": "$${B}", "B": "${C}", "C": "${D}", "E": "1\n$$2"}
    web, made = _shop({"A": "$${B}"})
    assert web["environment"] == {"A": "${A}"}
    assert made.variables == {"A": "${B}"}


@pytest.mark.parametrize("known", ["postgres", "${POSTGRES_PASSWORD}"])
def test_a_user_of_the_same_name_as_the_example_password(known: str) -> None:
    example = {"POSTGRES_PASSWORD": "postgres", "DATABASE_URL": f"postgres://postgres:{known}@db/postgres"}  # fmt: skip
    web, made = _shop(example)
    address = "postgres://${DATABASE_LOGIN:-postgres}:${POSTGRES_PASSWORD}@db/postgres"
    assert web["environment"]["DATABASE_URL"] == address
    assert made.secrets == {"POSTGRES_PASSWORD": "random"}
