"""A release's files, put into effect and recorded by a real bash."""

from __future__ import annotations

import subprocess

import pytest

from deployments.history import journal
from deployments.history.ledger import FIRST, Ledger
from deployments.shell import files
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script
from infra.ssh.tarball import tarball

RELEASE = "2-prod-sha-0123456789ab"
INCOMING = ".incoming/t1"


def _run(shell, script):
    return shell.run(prelude(shell.environment) + script.text)


def _mode(shell, path):
    return oct((shell.directory / path).stat().st_mode & 0o777)


@pytest.fixture
def ready(shell):
    """A run's files have arrived; an older release is in effect."""
    shell.program("docker", "true")
    for name, text in {
        "manifest.json": "{}", "compose.yml": "new", "plan.json": "{}", ".env": "A='wanted'\n",
        ".env.now": "A='running'\n", "secrets.env": "S='new'\n", "haproxy.cfg": "new edge",
    }.items():  # fmt: skip
        shell.write(f"{INCOMING}/{name}", text)
    shell.write("compose.yml", "old")
    shell.write("secrets.env", "S='old'\n")
    return shell


def test_install_puts_files_into_effect_and_keeps_copies(ready):
    assert _run(ready, files.install(INCOMING, RELEASE, "edge")).returncode == 0
    assert ready.read("compose.yml") == "new"
    assert ready.read("secrets.env") == "S='new'\n"
    assert ready.read(".env") == "A='running'\n"
    assert ready.read("edge/haproxy.cfg") == "new edge"
    kept = ready.directory / "releases" / RELEASE
    assert sorted(f.name for f in kept.iterdir()) == [
        "compose.yml", "haproxy.cfg", "manifest.json", "plan.json", "variables.env",
    ]  # fmt: skip
    assert (kept / "variables.env").read_text() == "A='wanted'\n"


def test_secrets_stay_private_and_the_edge_may_read_its_file(ready):
    _run(ready, files.install(INCOMING, RELEASE, "edge"))
    assert _mode(ready, "secrets.env") == "0o600"
    assert _mode(ready, "edge") == "0o755"
    assert _mode(ready, "edge/haproxy.cfg") == "0o644"


def test_install_twice_still_knows_the_secrets_of_before(ready):
    for _ in range(2):
        assert _run(ready, files.install(INCOMING, RELEASE, "edge")).returncode == 0
    assert ready.read("secrets.env.previous") == "S='old'\n"


def test_restore_brings_the_former_secrets_back(ready):
    _run(ready, files.install(INCOMING, RELEASE, "edge"))
    ready.write(f"{INCOMING}/compose.yml", "old")
    assert _run(ready, files.restore(INCOMING, "edge")).returncode == 0
    assert ready.read("compose.yml") == "old"
    assert ready.read("secrets.env") == "S='old'\n"


def test_an_edge_that_has_yet_to_read_its_file_is_noted(ready):
    """The step that tells it may never come: this run may end before."""
    ready.write("edge/haproxy.cfg", "old edge")
    ready.program("docker", "echo e1")
    assert _run(ready, files.install(INCOMING, RELEASE, "edge")).returncode == 0
    assert ready.read(".edge-unread") == "e1\n"


def test_an_edge_whose_file_stays_is_not_noted(ready):
    ready.write("edge/haproxy.cfg", "new edge")
    ready.program("docker", "exit 1")
    assert _run(ready, files.install(INCOMING, RELEASE, "edge")).returncode == 0
    assert not (ready.directory / ".edge-unread").exists()


def test_a_stack_without_an_edge_has_no_edge_file(ready):
    (ready.directory / INCOMING / "haproxy.cfg").unlink()
    assert _run(ready, files.install(INCOMING, RELEASE, "")).returncode == 0
    assert not (ready.directory / "edge/haproxy.cfg").exists()


def test_a_missing_file_fails_before_anything_is_in_effect(ready):
    (ready.directory / INCOMING / "plan.json").unlink()
    assert _run(ready, files.install(INCOMING, RELEASE, "edge")).returncode != 0
    assert ready.read("compose.yml") == "old"


def _record(shell, ledger, line, current=RELEASE, **more):
    return _run(shell, files.record(line, INCOMING, ledger.tip, current, RELEASE, **more))


def _next(world, ledger):
    return world.line(ledger.next_seq, prev=ledger.tip).to_json()


def test_the_first_line_of_a_ledger(world, shell):
    line = _next(world, Ledger(()))
    shell.write(f"{INCOMING}/report.md", "# done\n")
    assert _record(shell, Ledger(()), line).returncode == 0
    assert shell.read("releases.jsonl") == line + "\n"
    assert shell.read("current") == RELEASE + "\n"
    assert shell.read(f"releases/{RELEASE}/report.md") == "# done\n"


def test_a_release_that_becomes_current_says_whose_directory_and_project_it_is(world, shell):
    line = _next(world, Ledger(()))
    assert _record(shell, Ledger(()), line, environment="prod").returncode == 0
    assert (shell.read(".environment"), shell.read(".project")) == ("prod\n", "homeguru\n")


def test_the_chain_that_the_host_checks_is_the_one_that_we_make(world, shell):
    ledger = Ledger(())
    for _ in range(3):
        assert _record(shell, ledger, _next(world, ledger)).returncode == 0
        ledger = Ledger(tuple(shell.read("releases.jsonl").splitlines()))
    assert ledger.broken_at() is None
    assert len(ledger.raw) == 3


def test_a_ledger_that_changed_meanwhile_is_not_written(world, shell):
    before = world.ledger(world.line(1))
    shell.write("releases.jsonl", before.raw[0] + "\n")
    done = _record(shell, Ledger(()), _next(world, Ledger(())))
    assert done.returncode == 20
    assert done.stderr == (
        "the ledger on this host changed meanwhile: its last line is not the one that was read\n"
    )
    assert shell.read("releases.jsonl") == before.raw[0] + "\n"
    assert not (shell.directory / "current").exists()


def test_a_ledger_that_was_lost_meanwhile_is_noticed(world, shell):
    done = _record(shell, world.ledger(world.line(1)), _next(world, Ledger(())))
    assert done.returncode == 20
    assert FIRST not in done.stderr


def test_a_disk_that_fills_up_leaves_no_torn_line(world, shell):
    before = world.ledger(world.line(1))
    shell.write("releases.jsonl", before.raw[0] + "\n")
    shell.program("cat", 'for last; do :; done; head -c 20 "$last"; exit 1')
    assert _record(shell, before, _next(world, before)).returncode != 0
    assert shell.read("releases.jsonl") == before.raw[0] + "\n"


@pytest.mark.parametrize("file", ["haproxy.cfg", "compose.yml", ".env.now"])
def test_a_disk_that_fills_up_leaves_every_file_whole(ready, file):
    """Seen with the edge: its file ended after its first lines, and the page was gone."""
    for name in ("compose.yml", ".env", "secrets.env", "edge/haproxy.cfg"):
        ready.write(name, "whole\n")
    there = file.removesuffix(".now")
    ready.program(
        "cp", f'case "$1" in */{file}) for last; do :; done; echo ha > "$last"; exit 1;; esac\n/bin/cp "$@"'
    )  # fmt: skip
    done = _run(ready, files.restore(INCOMING, "edge"))
    target = f"edge/{there}" if file == "haproxy.cfg" else there
    assert (done.returncode, done.stderr) == (20, f"cannot write {target}\n")
    assert ready.read(target) == "whole\n"


def test_a_run_that_did_not_become_current(world, shell):
    shell.write("current", "1-x\n")
    _record(shell, Ledger(()), _next(world, Ledger(())), current="")
    assert shell.read("current") == "1-x\n"


@pytest.mark.parametrize(("settled", "kept"), [(True, False), (False, True)])
def test_former_secrets_go_when_the_host_is_settled(world, shell, settled, kept):
    shell.write("secrets.env.previous", "S='old'\n")
    _record(shell, Ledger(()), _next(world, Ledger(())), settled=settled)
    assert (shell.directory / "secrets.env.previous").exists() is kept


def test_closing_the_journal_of_another_run(shell):
    begin = journal.run_line(RELEASE, "begin", "t0")
    shell.write("journal/run-0.jsonl", begin + "\n")
    end = journal.run_line(RELEASE, "end", "t1", "undone")
    assert _run(shell, files.close("run-0", end)).returncode == 0
    assert journal.AT not in shell.read("journal/run-0.jsonl").splitlines()[1]
    assert journal.read("run-0", shell.read("journal/run-0.jsonl")) is None


def test_removing_all_keeps_volumes_and_the_ledger(ready):
    ready.write("releases.jsonl", "x\n")
    ready.program(
        "docker", 'echo "$*" >> docker.log; [[ "$*" != *" -q"* && $1 != ps ]] || echo id1'
    )
    done = _run(ready, files.remove_project())
    assert done.stdout == "removed every container of homeguru; its volumes are kept\n"
    log = ready.read("docker.log")
    assert "rm -f id1" in log
    assert "volume" not in log
    assert not (ready.directory / "secrets.env").exists()
    assert ready.read("releases.jsonl") == "x\n"


# -- files that travel with a script ------------------------------------------------


def _unpack(shell, directory: str, then: str = "true\n", **sent: str):
    script = files.unpack(str(shell.directory / directory), Script(then))
    return subprocess.run(
        ["bash", "-c", script.text], cwd=shell.directory, env=shell.variables,
        input=tarball(sent), capture_output=True, timeout=15, check=False,
    )  # fmt: skip


def test_files_are_there_before_the_script_and_private(shell):
    done = _unpack(shell, ".incoming/t1/back", "cat .incoming/t1/back/a\n", a="one", b="two")
    assert (done.returncode, done.stdout) == (0, b"one")
    assert _mode(shell, ".incoming/t1/back/b") == "0o600"
    assert _mode(shell, ".incoming/t1") == "0o700"


def test_what_cannot_be_written_is_told_and_nothing_runs(shell):
    shell.write(".incoming", "a file")
    done = _unpack(shell, ".incoming/t1", "touch ran\n", a="one")
    assert done.returncode == 20
    assert done.stderr.endswith(b"/.incoming/t1\n")
    assert b"cannot write into" in done.stderr
    assert not (shell.directory / "ran").exists()


def test_a_full_disk_is_told(shell):
    """Of what a cut-off file said, nothing may be used."""
    (shell.directory / "full").symlink_to("/dev/full")
    shell.program("tar", "cat > full")
    done = _unpack(shell, ".incoming/t1", "touch ran\n", a="x" * 100_000)
    assert done.returncode == 20
    assert not (shell.directory / "ran").exists()
