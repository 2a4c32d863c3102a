"""The journal: whether a run ended, and what it had begun."""

from __future__ import annotations

import pytest

from deployments.history import journal
from deployments.history.step_kind import StepKey

RELEASE = "3-prod-sha-0123456789ab"


def _at(line):
    return line.replace(journal.AT, "2030-01-01T00:00:00Z")


def _line(kind, event, outcome=""):
    return _at(journal.step_line(StepKey(kind), event, "token", outcome))


def _run(release, event, outcome=""):
    return _at(journal.run_line(release, event, "token", outcome))


BEGIN = _run(RELEASE, "begin")
END = _run(RELEASE, "end", "ok")
STEP = _line("pull", "begin"), _line("pull", "end", "ok")


def _read(*lines, end="\n"):
    return journal.read("run-1", "\n".join(lines) + end)


def test_a_line_is_canonical_and_waits_for_the_hosts_clock():
    assert journal.step_line(StepKey("replace", "api"), "end", "abc", "ok") == (
        '{"at":"@AT@","event":"end","kind":"replace","outcome":"ok","release":"","service":"api",'
        '"step":"replace api","token":"abc","v":2}'
    )
    assert journal.run_line("2-x", "begin", "abc") == (
        '{"at":"@AT@","event":"begin","kind":"run","outcome":"","release":"2-x","service":"",'
        '"step":"run 2-x","token":"abc","v":2}'
    )


def test_a_run_that_never_ended():
    found = _read(BEGIN, *STEP, _line("migrate", "begin"))
    assert found == journal.Unfinished(
        "run-1", RELEASE, (StepKey("pull"), StepKey("migrate")), "2030-01-01T00:00:00Z"
    )


def test_a_run_that_ended():
    assert _read(BEGIN, *STEP, END) is None


def test_a_run_whose_steps_all_ended_is_still_unfinished():
    assert _read(BEGIN, *STEP) is not None


def test_a_run_that_first_undid_another_one_and_was_killed_then():
    """Its journal has an end, of the first part; found while the faults were read."""
    again = BEGIN.replace("2030-01-01", "2030-01-02")
    found = _read(BEGIN, *STEP, END, again, _line("migrate", "begin"))
    assert found == journal.Unfinished(
        "run-1", RELEASE, (StepKey("migrate"),), "2030-01-02T00:00:00Z"
    )
    other = _run("4-prod-sha-ffffffffffff", "begin")
    assert _read(BEGIN, *STEP, END, other).release == "4-prod-sha-ffffffffffff"
    assert _read(BEGIN, END, again, *STEP, END) is None


def test_steps_of_an_undo_count_as_begun():
    found = _read(BEGIN, *STEP, _line("restore-files", "undo"))
    assert found.begun == (StepKey("pull"), StepKey("restore-files"))
    assert found.undoing
    assert not _read(BEGIN, *STEP).undoing


@pytest.mark.parametrize(
    "torn", [END[:-1], END[: len(END) // 2], "{", "[]", "{}", '"x"', '{"step":"x"}']
)
def test_a_torn_last_line_is_no_line(torn):
    found = _read(BEGIN, *STEP, torn, end="")
    assert found is not None
    assert found.begun == (StepKey("pull"),)


@pytest.mark.parametrize("text", ["", "\n", "noise", STEP[0]])
def test_what_is_no_journal_of_a_run(text):
    assert journal.read("run-1", text) is None


def test_the_end_of_another_release_is_not_the_end():
    other = _run("2-prod-sha-ffffffffffff", "end", "undone")
    assert _read(BEGIN, other) is not None


@pytest.mark.parametrize(
    ("begun", "undoing", "harmless"),
    [
        (("back-up",), False, True), (("drill",), False, True), ((), False, True),
        (("upload", "back-up"), False, False), (("pull",), False, False),
        (("back-up",), True, False), (("of-a-newer-version",), False, False),
    ],
)  # fmt: skip
def test_a_backup_alone_changed_nothing(begun, undoing, harmless):
    steps = tuple(map(StepKey, begun))
    run = journal.Unfinished("r1", "1-x", steps, "2030-01-01T00:00:00Z", undoing)
    assert run.harmless is harmless


def test_what_a_run_was_asked_for_stands_in_its_first_line():
    begin = _run(RELEASE, "begin", "restore newest")
    found = _read(begin, *STEP)
    assert found is not None
    assert found.requested == "restore newest"


def _v1(step, event, outcome=""):
    return (
        f'{{"at":"2030-01-01T00:00:00Z","event":"{event}","outcome":"{outcome}","step":"{step}",'
        '"token":"t","v":1}'
    )


def test_a_journal_of_format_1_names_its_steps_for_people():
    lines = [
        _v1(f"run {RELEASE}", "begin", "restore newest"), _v1("set database aside", "begin"),
        _v1("set database aside", "end", "ok"), _v1("replace api", "begin"),
    ]  # fmt: skip
    found = _read(*lines)
    assert found == journal.Unfinished(
        "run-1", RELEASE, (StepKey("set-aside"), StepKey("replace", "api")),
        "2030-01-01T00:00:00Z", requested="restore newest",
    )  # fmt: skip
    assert found.exchanged
    assert _read(*lines, _v1(f"run {RELEASE}", "end", "ok")) is None
    assert _read(*lines, END) is None, "a run of format 1 is ended by this version"
