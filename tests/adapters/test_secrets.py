"""Secrets by name, and where they are looked for."""

from __future__ import annotations

import codecs
import json

import pytest
from typer.testing import CliRunner

from deployments.errors import WrongUse
from infra.cli.app import app
from infra.environment import locate
from infra.environment.context import Assembly
from infra.environment.secrets import SecretsFile, resolve
from infra.onboarding.writing import add_secrets, empty_secrets


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "prod.secrets.env"
    path.touch(mode=0o600)
    path.write_text("HG_A=file\nHG_B=file\nHG_OTHER=file\n")
    return path


class Block:
    """A source that has one value for every name."""

    def get(self, name):
        return "block"


def _located(located, file):
    return located(secrets={"file": file.name, "names": ["HG_A", "HG_B", "HG_C"]})


def test_the_environment_comes_first_then_the_file_then_blocks(located, file, monkeypatch):
    monkeypatch.setenv("HG_A", "process")
    found = resolve(_located(located, file), [Block()])
    assert found == {"HG_A": "process", "HG_B": "file", "HG_C": "block"}


def test_one_variable_may_hold_the_lines_of_a_secrets_file(located, file, monkeypatch):
    monkeypatch.setenv("HOMEGURU_SECRETS", "HG_A=all\nHG_B='all #2'\nPATH=/tmp\n")
    monkeypatch.setenv("HG_A", "process")
    found = resolve(_located(located, file), [Block()])
    # A name that the environment does not have is not read.
    assert found == {"HG_A": "process", "HG_B": "all #2", "HG_C": "block"}
    monkeypatch.setenv("HOMEGURU_SECRETS", "hunter2")
    with pytest.raises(WrongUse) as caught:
        resolve(_located(located, file))
    assert str(caught.value.where) == "HOMEGURU_SECRETS"
    assert "hunter2" not in str(caught.value)


def test_the_mark_that_an_editor_put_before_utf_8_is_no_part_of_a_name(located, file, monkeypatch):
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    assert resolve(_located(located, file))["HG_A"] == "file"
    SecretsFile(file).put("HG_A", "changed")
    assert file.read_text() == "HG_A=changed\nHG_B=file\nHG_OTHER=file\n"
    monkeypatch.setenv("HOMEGURU_SECRETS", "\ufeffHG_A=all\n")
    assert resolve(_located(located, file))["HG_A"] == "all"


def test_init_finds_a_name_behind_that_mark(file):
    file.write_bytes(codecs.BOM_UTF8 + b"HG_A=\n")
    assert add_secrets(file, {"HG_A": "other"}) == []
    assert empty_secrets(file) == ["HG_A"]


def test_what_has_no_value_is_left_out(located, file):
    assert resolve(_located(located, file)) == {"HG_A": "file", "HG_B": "file"}


def test_only_names_that_are_asked_for_are_returned(located, file):
    assert "HG_OTHER" not in resolve(_located(located, file))


def test_an_empty_value_is_a_value(located, file, monkeypatch):
    """An unset secret of a CI job is an empty variable: said to be empty, never passed over."""
    monkeypatch.setenv("HG_A", "")
    assert resolve(_located(located, file))["HG_A"] == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(WrongUse) as caught:
        SecretsFile(file)
    assert caught.value.what == "the secrets file can be read by others"
    assert caught.value.todo == f"chmod 600 {file}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_read(file, mode):
    file.chmod(mode)
    assert SecretsFile(file).get("HG_A") == "file"


@pytest.mark.parametrize("named", ["", "prod.secrets.env"])
def test_config_shows_a_secrets_file_where_there_is_one(located, monkeypatch, tmp_path, named):
    secrets = {"file": named, "names": []}
    monkeypatch.setattr(locate, "load", lambda _: located(secrets=secrets, compose="compose.yml"))
    shown = CliRunner().invoke(app, ["config", "--env", "prod", "--json"])
    expected = str(tmp_path / named) if named else ""
    assert json.loads(shown.stdout)["secrets"]["file"] == expected


def test_a_file_that_is_not_there_has_nothing(tmp_path):
    assert SecretsFile(tmp_path / "none").get("HG_A") is None


def test_what_is_hidden_is_all_but_the_name_that_logs_in(located):
    login = {"user": "REGISTRY_USER", "token": "REGISTRY_TOKEN"}
    values = {"REGISTRY_USER": "octocat", "REGISTRY_TOKEN": "ghp_1", "A": "x"}
    assert Assembly(located(login=login), None, values).hidden() == ["ghp_1", "x"]


def test_a_line_that_nobody_has_filled_in_hides_no_other_source(located, file, monkeypatch):
    monkeypatch.setenv("HOMEGURU_SECRETS", "HG_A=\nHG_C=\n")
    found = resolve(_located(located, file), [Block()])
    assert found == {"HG_A": "file", "HG_B": "file", "HG_C": "block"}
