"""The lock, run by a real bash: held by a heartbeat, freed by silence, fenced by a token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from deployments.history import journal
from deployments.history.step_kind import StepKey
from deployments.shell import lock
from deployments.shell.quote import Script

RELEASE = "2-prod-sha-0123456789ab"


def _owner(token="t1", who="alice"):
    return json.dumps({"at": "@AT@", "token": token, "who": who}, separators=(",", ":"))


@pytest.fixture
def session(shell, monkeypatch):
    """Sessions with a short silence; all end with the test."""
    monkeypatch.setattr(lock, "SILENCE", 1)
    monkeypatch.setattr(lock, "LINGER", "0.5")
    running = []

    def start(token="t1", one_off="", again=""):
        script = lock.hold_session(shell.environment, _owner(token), one_off, again)
        process = shell.start(script)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def _held(process):
    """Read until the lock is held; the lines before."""
    before = []
    for line in process.stdout:
        if line == "held\n":
            return before
        before.append(line.strip())
    pytest.fail(f"not held: {before} {process.stderr.read()}")


def _guard(shell, body, token="t1", after="", **more):
    begin = journal.step_line(StepKey("pull"), "begin", token)
    end = journal.step_line(StepKey("pull"), "end", token, "@OUTCOME@")
    return lock.guarded(shell.environment, "run-1", token, begin, end, after, Script(body, **more))


def _journal(shell):
    return [json.loads(line) for line in shell.read("journal/run-1.jsonl").splitlines()]


@pytest.fixture
def mine(shell):
    """The host's directory as a session with token t1 leaves it."""
    shell.write("lock/owner", _owner() + "\n")
    (shell.directory / "journal").mkdir()
    return shell


def test_a_session_holds_the_lock_and_says_who(session, shell):
    assert _held(session()) == []
    owner = json.loads(shell.read("lock/owner"))
    assert (owner["token"], owner["who"]) == ("t1", "alice")
    assert owner["at"].startswith("20") and owner["at"].endswith("Z")


def test_a_second_session_is_refused_and_told_the_owner(session, shell):
    _held(session())
    second = session("t2")
    output, _ = second.communicate(timeout=5)
    assert second.returncode == lock.BUSY
    assert json.loads(output)["who"] == "alice"
    assert json.loads(shell.read("lock/owner"))["token"] == "t1"


def test_silence_frees_the_lock(session, shell, monkeypatch):
    monkeypatch.setattr(lock, "SILENCE", "0.3")
    first = session()
    _held(first)
    shell.write(".incoming/t1/secrets.env", "A='x'\n")
    _refused_no_more(session)
    assert first.wait(timeout=5) == 0


def _refused_no_more(session):
    """Another run has the lock, at the latest after some tries."""
    for _ in range(10):
        process = session("t2")
        for line in process.stdout:
            if line == "held\n":
                return
        time.sleep(0.1)
    pytest.fail("the lock is not freed")


def test_the_files_of_a_run_that_was_cut_off_go_when_it_does_not_come_back(session, shell):
    first = session()
    _held(first)
    shell.write(".incoming/t1/secrets.env", "A='x'\n")
    first.stdin.close()
    assert first.wait(timeout=5) == 0
    assert not (shell.directory / ".incoming").exists()


def test_a_run_that_says_so_takes_its_files_along_at_once(session, shell):
    first = session()
    _held(first)
    shell.write(".incoming/t1/secrets.env", "A='x'\n")
    begin = time.monotonic()
    first.stdin.write("\nbye\n")
    first.stdin.close()
    assert first.wait(timeout=5) == 0
    assert time.monotonic() - begin < 0.4
    assert not (shell.directory / ".incoming").exists()


def test_a_heartbeat_keeps_the_lock(session):
    first = session()
    _held(first)
    for _ in range(5):
        time.sleep(0.23)
        first.stdin.write("\n")
        first.stdin.flush()
    assert first.poll() is None
    assert session("t2").wait(timeout=5) == lock.BUSY


def _beat(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_one_that_was_only_silent_has_its_lock_back(session, shell, monkeypatch):
    """A process that was stopped for a while, by a person or a stalled machine: nobody died."""
    monkeypatch.setattr(lock, "SILENCE", "1")
    monkeypatch.setattr(lock, "LINGER", "5")
    first = session()
    _held(first)
    time.sleep(1.3)
    _beat(first)
    time.sleep(0.1)
    assert first.poll() is None
    assert session("t2").wait(timeout=5) == lock.BUSY
    first.stdin.write("bye\n")
    first.stdin.close()
    assert first.wait(timeout=5) == 0


def test_one_that_was_silent_is_told_where_another_run_took_its_lock(session, shell, monkeypatch):
    monkeypatch.setattr(lock, "SILENCE", "0.3")
    monkeypatch.setattr(lock, "LINGER", "5")
    first = session()
    _held(first)
    _refused_no_more(session)
    time.sleep(0.6)
    _beat(first)
    assert first.wait(timeout=5) == lock.FENCED


def test_a_run_begins_while_others_look(session, shell):
    """Each look asks for a moment whether somebody has the lock, as observe.sh does."""
    (shell.directory / "lock").mkdir()
    (shell.directory / "lock" / "session").touch()
    asks = "for n in {1..200}; do flock -n -s lock/session true || true; done"
    lookers = [subprocess.Popen(["bash", "-c", asks], cwd=shell.directory) for _ in range(2)]
    for n in range(5):
        held = session(f"t{n}")
        _held(held)
        held.stdin.write("bye\n")
        held.stdin.close()
        held.wait(timeout=5)
    for looker in lookers:
        looker.wait(timeout=20)


def test_a_client_that_goes_frees_the_lock_at_once(session):
    first = session()
    _held(first)
    begin = time.monotonic()
    first.stdin.close()
    _refused_no_more(session)
    assert time.monotonic() - begin < 0.5


def test_the_same_run_takes_its_lock_again_and_finds_its_files(session, shell):
    first = session()
    _held(first)
    shell.write(".incoming/t1/compose.yml", "x")
    first.stdin.close()
    time.sleep(0.1)
    second = session(again="t1")
    _held(second)
    assert first.wait(timeout=5) == 0
    for _ in range(3):
        assert shell.read(".incoming/t1/compose.yml") == "x"
        second.stdin.write("\n")
        second.stdin.flush()
        time.sleep(0.2)


def test_files_of_an_earlier_run_go_when_a_new_one_begins(session, shell):
    shell.write(".incoming/t0/secrets.env", "A='x'\n")
    _held(session())
    assert not (shell.directory / ".incoming").exists()


def test_files_of_a_plan_that_was_interrupted_go_with_time(session, shell):
    for name, minutes in ((".plan-old", 11), (".plan-new", 9)):
        shell.write(f"{name}/secrets.env", "A='x'\n")
        then = time.time() - 60 * minutes
        os.utime(shell.directory / name, (then, then))
    _held(session())
    assert [f.name for f in shell.directory.glob(".plan-*")] == [".plan-new"]


def test_a_run_that_was_overtaken_may_not_take_its_lock_again(session, shell):
    shell.write("lock/owner", _owner("t2", "bob") + "\n")
    process = session(again="t1")
    assert process.wait(timeout=5) == lock.FENCED
    assert json.loads(shell.read("lock/owner"))["token"] == "t2"


def test_a_session_waits_for_a_command_that_still_works(session, shell):
    (shell.directory / "lock").mkdir()
    worker = subprocess.Popen(["flock", shell.directory / "lock/work", "sleep", "0.4"])
    begin = time.monotonic()
    assert _held(session()) == ["waiting for a command of an earlier run"]
    assert time.monotonic() - begin > 0.1
    assert worker.wait(timeout=5) == 0


def test_a_session_waits_for_a_one_off_container_of_an_earlier_run(session, shell):
    shell.program("docker", 'echo "$*" >> docker.log; [ "$1" != inspect ] || echo true')
    assert _held(session(one_off="homeguru-migrate")) == [
        "waiting for homeguru-migrate of an earlier run"
    ]
    assert "wait homeguru-migrate" in shell.read("docker.log")
    assert "stop" not in shell.read("docker.log")


def test_a_one_off_container_that_cannot_be_waited_for_is_stopped(session, shell):
    shell.program(
        "docker",
        'echo "$*" >> docker.log; case $1 in inspect) echo true;; wait) exit 1;; esac',
    )
    _held(session(one_off="homeguru-migrate"))
    assert "stop -t 10 homeguru-migrate" in shell.read("docker.log")


def test_a_docker_that_hangs_is_told(session, shell, monkeypatch):
    monkeypatch.setattr(lock, "ANSWER", "0.3")
    shell.program("docker", "exec sleep 60")
    process = session(one_off="homeguru-migrate")
    output, error = process.communicate(timeout=10)
    assert (process.returncode, output) == (20, "")
    assert error == "Docker on this host did not answer within 0.3 s\n"


def test_a_directory_that_may_not_be_written_says_so(session, shell):
    shell.write("lock", "a file where the directory should be")
    process = session()
    _, said = process.communicate(timeout=5)
    assert process.returncode == 20
    assert f"may not write in {shell.directory}" in said


def test_the_guard_writes_what_began_and_how_it_ended(mine):
    done = mine.run(_guard(mine, "say hello; ls >/dev/null"))
    assert (done.returncode, done.stdout) == (0, "hello\n")
    begin, end = _journal(mine)
    assert (begin["step"], begin["event"], begin["token"]) == ("pull", "begin", "t1")
    assert (end["event"], end["outcome"]) == ("end", "ok")
    assert begin["at"].startswith("20") and begin["at"] <= end["at"]
    assert not (mine.directory / "lock/pid").exists()


def test_a_failure_keeps_its_code_and_is_written(mine):
    closing = journal.run_line(RELEASE, "end", "t1", "ok")
    done = mine.run(_guard(mine, "fail 'no room'", after=closing))
    assert (done.returncode, done.stderr) == (20, "no room\n")
    assert [(e["event"], e["outcome"]) for e in _journal(mine)] == [
        ("begin", ""), ("end", "failed 20"),
    ]  # fmt: skip


def test_only_a_success_ends_the_run(mine):
    opening = journal.run_line(RELEASE, "begin", "t1")
    closing = journal.run_line(RELEASE, "end", "t1", "ok")
    begin = f"{opening}\n{journal.step_line(StepKey('record'), 'begin', 't1')}"
    end = journal.step_line(StepKey("record"), "end", "t1", "@OUTCOME@")
    script = lock.guarded(mine.environment, "run-1", "t1", begin, end, closing, Script("true"))
    assert mine.run(script).returncode == 0
    assert [(e["step"].split()[0], e["event"]) for e in _journal(mine)] == [
        ("run", "begin"), ("record", "begin"), ("record", "end"), ("run", "end"),
    ]  # fmt: skip
    assert journal.read("run-1", mine.read("journal/run-1.jsonl")) is None


def test_a_run_that_lost_its_lock_changes_nothing(mine):
    done = mine.run(_guard(mine, "touch changed", token="t9"))
    assert done.returncode == lock.FENCED
    assert not (mine.directory / "changed").exists()
    assert not (mine.directory / "journal/run-1.jsonl").exists()


def test_a_token_is_no_pattern_and_no_part_of_another(mine):
    for token in ("t.", "t", "1"):
        assert mine.run(_guard(mine, "true", token=token)).returncode == lock.FENCED


def test_a_command_that_takes_too_long_is_ended(mine):
    done = mine.run(_guard(mine, "sleep 30", timeout=1))
    assert done.returncode == 124
    assert _journal(mine)[-1]["outcome"] == "failed 124"


def test_the_work_lock_outlives_the_client(mine):
    """The body inherits the descriptor: a killed client does not free the lock."""
    process = mine.start(_guard(mine, "touch begun; sleep 0.5; touch ended"))
    _until((mine.directory / "begun").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    free = ["flock", "-n", mine.directory / "lock/work", "true"]
    assert subprocess.run(free, check=False).returncode == 1
    _until((mine.directory / "ended").exists)
    assert subprocess.run(["flock", "-w", "3", *free[2:]], check=False).returncode == 0
    process.communicate()


def test_a_command_ends_though_nobody_reads_it_any_more(mine):
    """sshd is gone: a line that cannot be written must not end a replacement half way."""
    body = "touch begun; until [ -e gone ]; do sleep 0.05; done; say one; echo two >&2; ls; say three; touch ended"
    process = mine.start(_guard(mine, body))
    _until((mine.directory / "begun").exists)
    process.stdout.close()
    process.stderr.close()
    mine.write("gone", "")
    assert process.wait(timeout=5) == 0
    assert (mine.directory / "ended").exists()
    assert _journal(mine)[-1]["outcome"] == "ok"


def test_what_a_command_leaves_running_holds_nothing_open(mine):
    begin = time.monotonic()
    done = mine.run(_guard(mine, "sleep 5 >/dev/null 2>&1 & say done"))
    assert done.stdout == "done\n"
    assert time.monotonic() - begin < 3


def test_work_is_stopped_by_its_own_run(mine):
    process = mine.start(_guard(mine, "touch begun; sleep 30; touch ended"))
    _until((mine.directory / "begun").exists)
    assert mine.run(lock.stop_work(mine.environment, "t1")).returncode == 0
    assert process.wait(timeout=5) == 143
    process.communicate()
    assert not (mine.directory / "ended").exists()
    assert _journal(mine)[-1]["outcome"] == "failed 143"


def test_what_a_stopped_command_left_in_the_daemon_is_stopped_too(mine):
    """A migration in a container goes on after `docker compose run` was ended."""
    mine.program(
        "docker", """case "$*" in ps*) echo one; echo two ;; *) echo "$*" >> said ;; esac"""
    )
    mine.write("lock/owner", '{"token":"t1"}')
    assert mine.run(lock.stop_work(mine.environment, "t1")).returncode == 0
    assert mine.read("said") == "stop -t 10 one two\n"


def test_work_is_not_stopped_by_another_run(mine):
    worker = subprocess.Popen(["sleep", "30"])
    mine.write("lock/pid", str(worker.pid))
    assert mine.run(lock.stop_work(mine.environment, "t9")).returncode == lock.FENCED
    assert worker.poll() is None
    os.kill(worker.pid, signal.SIGTERM)
    worker.wait()


def _until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
