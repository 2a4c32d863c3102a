"""`--output FILE`: whether it can be written is known before the work, and what cannot is a sentence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from deployments.errors import WrongUse
from deployments.release.manifest import Manifest
from infra.cli import app as cli
from infra.cli import audit

NAME = "prod-sha-000000000001"
NO_FILE = "/proc/self/no-file-can-be-here"
FULL = "/dev/full"


@pytest.fixture
def worked(monkeypatch) -> list[str]:
    """`publish` and `audit export` with this in the place of their work; what was done."""
    done: list[str] = []
    manifest = Manifest.nothing().model_copy(update={"name": NAME})

    def publish(verb, *_, **__):
        done.append(verb)
        return manifest.model_dump(mode="json")

    monkeypatch.setattr(cli, "run", publish)
    monkeypatch.setattr(audit, "_entries", lambda _: (done.append("audit") or [], None, None))
    return done


def ran(words: str, output: object) -> None:
    done = CliRunner().invoke(cli.app, [*words.split(), "--env", "prod", "--output", str(output)])
    if done.exception:
        raise done.exception


@pytest.mark.parametrize("words", ["publish --quiet", "audit export"])
def test_what_cannot_be_written_is_told_before_the_work(worked, words: str) -> None:
    with pytest.raises(WrongUse, match=f"^{NO_FILE} cannot be written: ") as told:
        ran(words, NO_FILE)
    assert told.value.todo == "name a file in a folder of yours with --output"
    assert worked == []


@pytest.mark.parametrize("words", ["publish --quiet", "audit export"])
def test_a_file_that_may_not_be_changed_is_told_and_stays(
    worked, monkeypatch, tmp_path, words: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text("before")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WrongUse, match="cannot be written: Permission denied"):
        ran(words, file)
    monkeypatch.undo()
    assert worked == []
    assert file.read_text() == "before"


def test_a_disk_that_is_full_meanwhile_costs_no_second_build(worked, monkeypatch) -> None:
    with pytest.raises(WrongUse, match="cannot be written: No space left on device") as told:
        ran("publish --quiet", FULL)
    assert told.value.todo.startswith(f"{NAME} is published: ")
    entry = SimpleNamespace(to_dict=dict)
    monkeypatch.setattr(audit, "_entries", lambda _: ([entry], None, None))
    with pytest.raises(WrongUse, match="cannot be written: No space left on device"):
        ran("audit export", FULL)


def test_the_check_leaves_nothing_behind(monkeypatch, tmp_path) -> None:
    def stop(*_: object, **__: object) -> None:
        raise WrongUse("stopped")

    monkeypatch.setattr(cli, "run", stop)
    (tmp_path / "there.json").write_text("before")
    for name in ("new.json", "there.json"):
        with pytest.raises(WrongUse, match="stopped"):
            ran("publish", tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["there.json"]
    assert (tmp_path / "there.json").read_text() == "before"


def test_a_file_is_written(worked, tmp_path) -> None:
    ran("publish --quiet", tmp_path / "new.json")
    assert Manifest.model_validate_json((tmp_path / "new.json").read_text()).name == NAME
    assert worked == ["publish"]
