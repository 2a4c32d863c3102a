"""Files that a person writes and this user cannot read, or that an editor saved in its own way."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from deployments.errors import WrongUse
from infra.bootstrap.environment_file import pin
from infra.environment import locate
from infra.environment.compose_cli import compose_text
from infra.environment.secrets import SecretsFile
from infra.publish.manifests import find_manifest
from tests.builders import ENVIRONMENT_TOML as TOML

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(tmp_path))
    file = tmp_path / "prod.toml"
    file.write_text(TOML)
    file.chmod(0o600)
    return file


READERS = {
    "environment": lambda _: locate.load("prod"),
    "secrets": SecretsFile,
    "Compose file": compose_text,
}


@pytest.mark.parametrize("kind", READERS)
def test_another_user_s_file_is_named_with_what_lets_one_read_it(
    file, monkeypatch, kind: str
) -> None:
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(WrongUse) as told:
        READERS[kind](file)
    assert str(told.value) == (
        f"{file}: cannot be read: Permission denied\nServer: untouched\n"
        f'Next: run it as the user whose file it is, or make it yours: sudo chown "$(id -un)" {file}'
    )


@pytest.mark.parametrize("kind", READERS)
def test_a_folder_that_cannot_be_entered_is_told(file, monkeypatch, kind: str) -> None:
    others = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda p: refuse() if p == file else others(p))
    with pytest.raises(WrongUse, match="its folder cannot be entered: Permission denied") as told:
        READERS[kind](file)
    assert f"namei -l {file} shows" in told.value.todo


def test_another_user_s_manifest(located, file, monkeypatch) -> None:
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(WrongUse, match="cannot be read: Permission denied"):
        find_manifest(located(), None, str(file))


def test_an_environment_may_have_the_mark_of_its_encoding(file) -> None:
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    assert locate.load("prod").environment.project == "homeguru"
    pin(file, KEY)
    assert locate.load("prod").environment.host.host_keys == (KEY,)


def test_a_compose_file_is_taken_as_it_is(file) -> None:
    """Compose reads one with that mark; without it a release would be another one."""
    file.write_text("\ufeffservices: {}\n")
    assert compose_text(file) == "\ufeffservices: {}\n"
