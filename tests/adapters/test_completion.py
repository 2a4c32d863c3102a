"""The shell's completion: what commands saw is suggested, at once, and what is broken is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.database.backups import Backup, Made
from deployments.history.ledger import Ledger, Line, Revision
from deployments.host.observation import read_observation
from deployments.release.manifest import Manifest
from infra.cli import completion
from infra.environment.locate import Located
from infra.host import seen_names
from infra.host.seen_names import SeenNames
from infra.machine.known_names import KnownName, checked, keep_names, known_names, newest_first
from infra.publish.manifests import keep_name
from infra.run.recorder import Recorder

SHA = "prod-sha-" + "0" * 11
FORBIDDEN = ("prefect", "paramiko", "deployments.environment.schema", "deployments.history.ledger")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment `prod` of one's own, and an empty state folder."""
    environments = tmp_path / "environments"
    environments.mkdir()
    (environments / "prod.toml").write_text("")
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(environments))
    monkeypatch.setenv("HOMEGURU_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def prod(located, folder: Path) -> Located:
    return replace(located(), file=folder / "environments" / "prod.toml")


def line(seq: int, verb: str = "deploy", outcome: str = "ok", day: int = 1) -> str:
    release = f"{seq}-{SHA}{seq}"
    return Line(
        seq=seq, at=f"2030-01-{day:02}T12:00:00Z", verb=verb, manifest=f"{SHA}{seq}", release=release,
        previous=None, outcome=outcome, revision=Revision(), who="ann", origin="cli", run="r",
        seconds=1, steps=(), prev="0" * 64,
    ).to_json()  # fmt: skip


def backup(name: str) -> Backup:
    return Backup(
        id=name, at="", database="app", release="1-x", revision=None, reason="asked", run="r",
        server="16.1", bytes=3 * 2**20, sha256="",
    )  # fmt: skip


def seen(*lines: str, current: str, kept: tuple[str, ...], backups: tuple[str, ...] = ()):
    return replace(
        read_observation(""), ledger=Ledger(lines), current=current, releases=kept,
        backups=tuple(map(backup, backups)), environment="prod",
    )  # fmt: skip


def typed(suggest, begun: str = "", env: str = "prod") -> dict[str, str]:
    return dict(suggest(SimpleNamespace(params={"env": env}), begun))


THREE = seen(
    line(1, day=1), line(2, day=2), line(3, day=3, outcome="undone"), line(4, day=4),
    current=f"4-{SHA}4", kept=(f"2-{SHA}2", f"3-{SHA}3", f"4-{SHA}4"),
    backups=("20300102T120000Z", "20300104T115900Z"),
)  # fmt: skip


def test_a_rollback_is_offered_what_the_server_keeps_and_does_not_run(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    assert typed(completion.earlier) == {
        "previous": "the release before", f"2-{SHA}2": "deployed 2030-01-02 12:00 UTC",
    }  # fmt: skip
    assert list(typed(completion.earlier, "2")) == [f"2-{SHA}2"]


def test_a_deploy_is_offered_manifests_and_a_diff_release_ids_too(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    for name in (f"{SHA}5", "other-sha-000000000005"):
        manifest = Manifest.nothing().model_copy(
            update={"name": name, "created": "2030-01-05T10:00:00Z"}
        )
        keep_name(prod, manifest)
    assert typed(completion.published) == {
        "newest": "published last", "current": "the release that runs",
        f"{SHA}2": "deployed 2030-01-02 12:00 UTC",
        f"{SHA}4": "deployed 2030-01-04 12:00 UTC, runs now",
        f"{SHA}5": "committed 2030-01-05 10:00 UTC",
    }  # fmt: skip
    assert list(typed(completion.compared, "4")) == [f"4-{SHA}4"]
    assert f"{SHA}5" in typed(completion.compared)


def test_a_restore_is_offered_backups_with_their_size_and_a_fetch_the_copies(prod) -> None:
    names = SeenNames(prod)
    names.saw(THREE, ["api"])
    assert typed(completion.backups, "2030") == {
        "20300104T115900Z": "2030-01-04 11:59 UTC, 3.0 MB",
        "20300102T120000Z": "2030-01-02 12:00 UTC, 3.0 MB",
    }
    assert len(typed(completion.copies)) == 2
    names.copied(["20291231T000000Z"])
    assert typed(completion.copies) == {"20291231T000000Z": "2029-12-31 00:00 UTC"}


def test_services_are_those_that_the_last_look_read(prod) -> None:
    SeenNames(prod).saw(THREE, ["api", "front.end"])
    assert typed(completion.services, "f") == {"front.end": ""}


def test_what_a_run_makes_is_known_before_the_next_look(prod, monkeypatch) -> None:
    names = SeenNames(prod)
    names.saw(THREE, ["api"])
    names.backed_up(Made("20300105T120000Z", 5000))
    monkeypatch.setattr(seen_names, "_utc", lambda: "2030-01-05T12:00:00Z")
    host = SimpleNamespace(names=names)
    recorder = Recorder(host)  # type: ignore[arg-type]
    for name in ("_write", "_recording", "line", "report", "closing"):
        monkeypatch.setattr(Recorder, name, lambda *_, **__: "")
    plan = SimpleNamespace(release=f"5-{SHA}5", previous=None, verb="deploy")
    recorder.record(plan, "undone", Ledger(()))  # type: ignore[arg-type]
    assert known_names("prod", prod.file).current == f"4-{SHA}4"
    recorder.record(
        SimpleNamespace(release=f"5-{SHA}5", previous=None, verb="migrate"), "ok", Ledger(())
    )  # type: ignore[arg-type]
    assert known_names("prod", prod.file).current == f"4-{SHA}4"
    recorder.record(plan, "ok", Ledger(()))  # type: ignore[arg-type]
    known = known_names("prod", prod.file)
    assert known.current == f"5-{SHA}5"
    assert known.releases[0].name == f"5-{SHA}5"
    assert known.backups[0] == KnownName("20300105T120000Z", "2030-01-05T12:00:00Z", 5000)


def test_the_file_is_the_persons_own_and_written_only_when_something_is_new(prod) -> None:
    names = SeenNames(prod)
    names.saw(THREE, ["api"])
    (file,) = kept(prod)
    assert file.stat().st_mode & 0o777 == 0o600
    written = file.stat().st_ino
    names.saw(THREE, ["api"])
    SeenNames(prod).saw(THREE, ["api"])
    assert file.stat().st_ino == written
    names.saw(replace(THREE, current=f"2-{SHA}2"), ["api"])
    assert kept(prod)[0].stat().st_ino != written


def test_another_environments_directory_and_a_torn_ledger_are_not_remembered(prod) -> None:
    SeenNames(prod).saw(replace(THREE, environment="staging"), ["api"])
    assert not kept(prod)
    SeenNames(prod).saw(replace(THREE, ledger=Ledger(("{torn",))), ["api"])
    assert known_names("prod", prod.file).releases == ()
    assert len(known_names("prod", prod.file).backups) == 2


def test_two_applications_may_have_an_environment_of_one_name(prod, folder) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    assert not known_names("prod", folder / "elsewhere" / "prod.toml").releases


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"v": 2}', "[" * 100_000, '{"v": 1, "releases": 5, "backups": [7, {}]}',
        '{"v": 1, "backups": [{"name": "$(reboot)"}], "releases": [{"name": "1-a;b\\n"}]}', "\udcff\x00",
    ],
)  # fmt: skip
def test_a_broken_file_suggests_nothing(prod, text: str) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    kept(prod)[0].write_bytes(text.encode(errors="surrogateescape"))
    assert list(typed(completion.earlier)) == ["previous"]
    assert list(typed(completion.backups)) == ["newest"]
    assert typed(completion.copies) == {}


def test_a_name_that_a_shell_would_obey_is_not_kept(prod) -> None:
    keep_names("prod", prod.file, lambda known: replace(
        known, services=(KnownName("api; reboot"), KnownName("bot")), current="1-$(reboot)",
        backups=(KnownName("20300101T000000Z", "now`reboot`"),),
    ))  # fmt: skip
    known = known_names("prod", prod.file)
    assert known == checked(json.loads(kept(prod)[0].read_text()))
    assert known.services == (KnownName("bot"),)
    assert known.current == ""
    assert known.backups == (KnownName("20300101T000000Z"),)


def test_the_newest_names_are_kept() -> None:
    many = [KnownName(f"{n}-a", f"2030-01-01T00:{n:02}:00Z") for n in range(50)]
    assert [known.name for known in newest_first([*many, many[49]])][:2] == ["49-a", "48-a"]
    assert len(newest_first(many)) == 30


def test_a_state_folder_that_cannot_be_written_fails_no_command(prod, monkeypatch) -> None:
    monkeypatch.setenv("HOMEGURU_STATE", "/proc/none")
    SeenNames(prod).saw(THREE, ["api"])
    assert list(typed(completion.earlier)) == ["previous"]


def test_what_fails_suggests_nothing() -> None:
    assert typed(completion.services, env="unknown") == {}
    assert typed(completion.services) == {}


def kept(prod: Located) -> list[Path]:
    state = Path(os.environ["HOMEGURU_STATE"])
    return sorted(state.glob("known-names/*.json"))


# -- a shell's own protocol, in a process ---------------------------------------------


def asked(words: str, *options: str, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """What the completion function of a shell runs; the word begun is the last, an empty one after a space."""
    protocol = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
        "fish": {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    return subprocess.run(
        [sys.executable, *options, "-m", "infra.cli"], capture_output=True, text=True, check=False,
        env={**os.environ, "_HOMEGURU_COMPLETE": f"complete_{shell}", **protocol},
    )  # fmt: skip


def test_bash_completes_releases_and_backups(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    rollback = asked("homeguru rollback --env prod ")
    assert (rollback.stdout.split(), rollback.stderr) == (["previous", f"2-{SHA}2"], "")
    assert asked("homeguru rollback 2").stdout.split() == [f"2-{SHA}2"]
    assert asked("homeguru deploy -e prod prod").stdout.split() == [f"{SHA}2", f"{SHA}4"]
    assert asked("homeguru diff 2").stdout.split() == [f"2-{SHA}2"]
    assert asked(f"homeguru diff 2-{SHA}2 cur").stdout.split() == ["current"]
    assert asked("homeguru drill 20300102T1").stdout.split() == ["20300102T120000Z"]


def test_zsh_and_fish_show_the_date_beside_each(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    fish = asked("homeguru restore 20300102T1", shell="fish").stdout
    assert fish == "20300102T120000Z\t2030-01-02 12:00 UTC, 3.0 MB\n"
    zsh = asked("homeguru restore 20300102T1", shell="zsh").stdout
    assert '"20300102T120000Z":"2030-01-02 12' in zsh


def test_several_environments_and_none_named_suggest_nothing_and_say_nothing(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    prod.file.with_name("staging.toml").write_text("")
    for words in ("homeguru rollback 2", "homeguru logs a", "homeguru rollback --env gone 2"):
        done = asked(words)
        assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)
    assert asked("homeguru status --env ").stdout.split() == ["prod", "staging", "production"]


def test_completion_imports_neither_prefect_nor_models_nor_ssh(prod) -> None:
    SeenNames(prod).saw(THREE, ["api"])
    done = asked("homeguru rollback --env prod 2", "-X", "importtime")
    assert done.stdout.split() == [f"2-{SHA}2"]
    imported = {text.rpartition("|")[2].strip() for text in done.stderr.splitlines()}
    assert "infra.machine.known_names" in imported
    assert not imported & set(FORBIDDEN)
