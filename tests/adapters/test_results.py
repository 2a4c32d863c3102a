"""What a step tells its deployer, where the application prints lines that look like it.

A real bash plays the host; what the migration's container prints comes from a stand-in for docker.
"""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest

from deployments.errors import StepFailed
from deployments.planning.plan import ScriptStep, Step
from deployments.shell import database
from deployments.shell.backup import back_up
from deployments.shell.postgres import On
from deployments.shell.quote import Script
from infra.host import session as hosts
from infra.machine.output import Output
from infra.run.executor import Executor
from infra.run.recorder import Recorder
from infra.run.run import Run

FORGED = "\n".join((
    "@backup 99990101T000000Z 1", "@revision 0001 6666", "@brought-back homeguru_undone_evil",
    "@channel backup =OTk5OTAxMDFUMDAwMDAwWg== =MQ==", "@ backup =OTk5OTAxMDFUMDAwMDAwWg== =MQ==",
    "@bytes 9", "@aside drill", "@undone evil",
))  # fmt: skip
ON = On("postgres", "postgres", "homeguru")
SHELL = """case "$*" in
  ps*) echo db1 ;;
  *psql*SELECT*) cat revision ;;
  *versioned=1*) printf '%s\\n' '16.4' '{}' ;;
  *pg_dump*) echo dump ;;
  *pg_restore*) cat > /dev/null ;;
  *"compose "*) env > seen; [ ! -f prints ] || cat prints; echo 0002 > revision ;;
esac"""


@pytest.fixture
def server(located, tmp_path, monkeypatch):
    """An executor whose host is a bash here; what a person reads; what the containers print."""
    directory, programs = tmp_path / "host", tmp_path / "programs"
    (directory / "lock").mkdir(parents=True)
    (directory / "journal").mkdir()
    programs.mkdir()
    (programs / "docker").write_text(f"#!/bin/bash\ncd {directory}\n{SHELL}\n")
    (programs / "docker").chmod(0o755)
    (directory / "revision").write_text("0001\n")
    read: list[str] = []
    host = hosts.Host(
        located(directory=str(directory)), hosts.Actor("ada", "cli", "r1"), "deploy", read.append
    )
    (directory / "lock/owner").write_text(f'{{"token":"{host.token}"}}')

    def run(_self, script: Script, log=None, stdin=b""):
        done = subprocess.run(
            ["bash", "-c", script.text], capture_output=True, text=True, check=False,
            cwd=directory, env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )  # fmt: skip
        for line in filter(None, done.stdout.splitlines()):
            (log or (lambda _: None))(line)
        return Output(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(hosts.Remote, "run", run)
    monkeypatch.setattr(hosts.Host, "connected", True)
    monkeypatch.setattr(host, "_lock", SimpleNamespace(check=lambda: None))
    named = SimpleNamespace(service="postgres", superuser="postgres", name="homeguru")
    target = SimpleNamespace(
        value=lambda text: text, stack=SimpleNamespace(deploy=SimpleNamespace(database=named))
    )
    planned = SimpleNamespace(
        plan=SimpleNamespace(release="2-m2", images=()), target=target, seen=None
    )

    def perform(step: Step) -> Recorder:
        recorder = Recorder(host)
        Executor(Run(host, recorder), None, lambda _, work: work())._do(step, planned)
        return recorder

    return SimpleNamespace(perform=perform, read=read, directory=directory)


MIGRATE = ScriptStep(
    "migrate", "", script=database.migrate(
        database=("postgres", "postgres", "app", "SELECT 1"), service="migrate",
        variable="API_IMAGE", image="r/api@sha256:1", command=("alembic", "upgrade", "head"),
        timeout=9,
    ), results=("revision",),
)  # fmt: skip
BACK_UP = ScriptStep(
    "back-up", "", script=back_up(ON, '{"id":"@ID@"}', "list", 60), results=("backup",)
)


def test_a_migration_that_prints_lines_of_ours_changes_nothing(server):
    """One such line made the deployer plan the deletion of every backup."""
    (server.directory / "prints").write_text(FORGED)
    recorder = server.perform(MIGRATE)
    assert (recorder.made, recorder.kept_database) == (None, "")
    assert recorder.revision.after == "0002"


def test_what_a_step_tells_is_for_no_person_to_read(server):
    (server.directory / "prints").write_text("INFO running\n")
    server.perform(MIGRATE)
    made = server.perform(BACK_UP).made
    assert made is not None and made.bytes == 5
    assert server.read == ["INFO running"]


def test_a_line_that_an_application_left_open_hides_no_result(server):
    (server.directory / "prints").write_text("no end of line")
    assert server.perform(MIGRATE).revision.after == "0002"
    assert server.read == ["no end of line"]


def test_a_container_is_not_given_the_nonce(server):
    (server.directory / "prints").write_text("x\n")
    server.perform(MIGRATE)
    assert "channel" not in (server.directory / "seen").read_text()


@pytest.mark.parametrize(
    ("step", "script"),
    [
        ("migrate", "result backup 20300101T000000Z 1"),
        ("replace", "result revision 6666"),
        ("back-up", "result kept homeguru_undone_r1"),
    ],
)
def test_a_step_that_may_not_tell_it_is_not_believed(server, step, script):
    allowed = {"migrate": ("revision",), "back-up": ("backup",)}
    recorder = server.perform(
        ScriptStep(step, "", script=Script(script), results=allowed.get(step, ()))
    )
    assert (recorder.made, recorder.kept_database, recorder.revision.after) == (None, "", None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("backup", "../../x 1"), ("backup", "20300101T000000Z many"), ("backup", "20300101T000000Z"),
        ("revision", "'0001 0002'"), ("revision", "$'0001\\e[2J'"), ("kept", "other_undone_r1"),
        ("kept", "'homeguru_undone_r1; drop'"), ("revision", "''  ''"),
    ],
)  # fmt: skip
def test_a_result_that_is_none_is_told_and_not_recorded(server, kind, words):
    with pytest.raises(StepFailed, match=r"cannot be read|reads like none"):
        server.perform(
            ScriptStep("migrate", "", script=Script(f"result {kind} {words}"), results=(kind,))
        )


def test_a_database_that_an_undo_replaced_is_named(server):
    step = ScriptStep(
        "bring-back", "", script=Script("result kept homeguru_undone_r1_2"), results=("kept",)
    )
    assert server.perform(step).kept_database == "homeguru_undone_r1_2"
