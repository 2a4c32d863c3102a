"""The journal: whether a run ended, and what it had begun."""

from __future__ import annotations

import pytest

from deployments.history import journal

RELEASE = "3-prod-sha-0123456789ab"


def _line(step, event, outcome=""):
    return journal.line(step, event, "token", outcome).replace(journal.AT, "2030-01-01T00:00:00Z")


BEGIN = _line(journal.run_step(RELEASE), "begin")
END = _line(journal.run_step(RELEASE), "end", "ok")
STEP = _line("pull", "begin"), _line("pull", "end", "ok")


def _read(*lines, end="\n"):
    return journal.read("run-1", "\n".join(lines) + end)


def test_a_line_is_canonical_and_waits_for_the_hosts_clock():
    assert journal.line("pull", "end", "abc", "ok") == (
        '{"at":"@AT@","event":"end","outcome":"ok","step":"pull","token":"abc","v":1}'
    )


def test_a_run_that_never_ended():
    found = _read(BEGIN, *STEP, _line("migrate", "begin"))
    assert found == journal.Unfinished(
        "run-1", RELEASE, ("pull", "migrate"), "2030-01-01T00:00:00Z"
    )


def test_a_run_that_ended():
    assert _read(BEGIN, *STEP, END) is None


def test_a_run_whose_steps_all_ended_is_still_unfinished():
    assert _read(BEGIN, *STEP) is not None


def test_a_run_that_first_undid_another_one_and_was_killed_then():
    """Its journal has an end, of the first part; found while the faults were read."""
    again = BEGIN.replace("2030-01-01", "2030-01-02")
    found = _read(BEGIN, *STEP, END, again, _line("migrate", "begin"))
    assert found == journal.Unfinished("run-1", RELEASE, ("migrate",), "2030-01-02T00:00:00Z")
    other = _line(journal.run_step("4-prod-sha-ffffffffffff"), "begin")
    assert _read(BEGIN, *STEP, END, other).release == "4-prod-sha-ffffffffffff"
    assert _read(BEGIN, END, again, *STEP, END) is None


def test_steps_of_an_undo_count_as_begun():
    found = _read(BEGIN, *STEP, _line("restore files", "undo"))
    assert (found.begun, found.undoing) == (("pull", "restore files"), True)
    assert not _read(BEGIN, *STEP).undoing


@pytest.mark.parametrize(
    "torn", [END[:-1], END[: len(END) // 2], "{", "[]", "{}", '"x"', '{"step":"x"}']
)
def test_a_torn_last_line_is_no_line(torn):
    found = _read(BEGIN, *STEP, torn, end="")
    assert found is not None
    assert found.begun == ("pull",)


@pytest.mark.parametrize("text", ["", "\n", "noise", STEP[0]])
def test_what_is_no_journal_of_a_run(text):
    assert journal.read("run-1", text) is None


def test_the_end_of_another_release_is_not_the_end():
    other = _line(journal.run_step("2-prod-sha-ffffffffffff"), "end", "undone")
    assert _read(BEGIN, other) is not None


@pytest.mark.parametrize(
    ("begun", "undoing", "harmless"),
    [
        (("back up database",), False, True), (("drill",), False, True), ((), False, True),
        (("upload", "back up database"), False, False), (("pull",), False, False),
        (("back up database",), True, False),
    ],
)  # fmt: skip
def test_a_backup_alone_changed_nothing(begun, undoing, harmless):
    run = journal.Unfinished("r1", "1-x", begun, "2030-01-01T00:00:00Z", undoing)
    assert run.harmless is harmless


def test_what_a_run_was_asked_for_stands_in_its_first_line():
    begin = _line(journal.run_step(RELEASE), "begin", "restore newest")
    found = _read(begin, *STEP)
    assert found is not None
    assert found.asked == "restore newest"
