"""What `homeguru history` prints: why, by whom approved, one mark, eighty columns."""

from __future__ import annotations

from deployments.errors import StepFailed
from deployments.history.audit import described_by, join
from deployments.history.ledger import Approval, shortened
from infra.cli import show


def shown(capsys, lines, current: str) -> list[str]:
    show.history(join(lines, None), current)
    return capsys.readouterr().out.splitlines()


def test_the_reasons_are_told_and_all_of_it_fits(world, capsys) -> None:
    reason = "the shop is closed, and " + "everybody agreed " * 8
    problem = "migrate failed: " + "relation does not exist " * 12
    lines = [
        world.line(1),
        world.line(2, outcome="undone", problem=shortened(problem),
                   approval=Approval(who="anna", reason=reason)),
    ]  # fmt: skip
    found = shown(capsys, lines, lines[0].release)
    assert max(map(len, found)) <= 80
    text = " ".join(" ".join(found).split())
    assert "approved by anna: the shop is closed" in text
    assert "undone: migrate failed: relation does not exist" in text


def test_the_subject_of_the_commit_is_told(world, capsys) -> None:
    first, second = world.line(1), world.line(2)
    entries = described_by(join([first, second], None), {first.manifest: "Fix the login " * 7})
    show.history(entries[:1], first.release)
    found = capsys.readouterr().out.splitlines()
    assert found[1].startswith("    commit: Fix the login Fix the login")
    assert max(map(len, found)) <= 80
    show.history(join([second], None), None)
    assert "commit:" not in capsys.readouterr().out


def test_one_line_is_marked_the_one_that_brought_it_last(world, capsys) -> None:
    first = world.line(1)
    lines = [
        first, world.line(2), world.line(3, verb="rollback", release=first.release),
        world.line(4, verb="migrate", release=first.release),
    ]  # fmt: skip
    marked = [line for line in shown(capsys, lines, first.release) if line.startswith("*")]
    assert len(marked) == 1
    assert "rollback" in marked[0]


def test_what_the_ledger_keeps_of_a_failure() -> None:
    failure = StepFailed("migrate failed:\nno table", where="h", state="runs 1", todo="look")
    assert shortened(str(failure)) == "h: migrate failed: no table"
    assert len(shortened("x" * 5000)) == 300


def test_of_a_long_failure_the_error_at_its_end_is_kept():
    frames = 'api |   File "<frozen importlib>", line 1206, in _find\napi |   ^^^^^^^^^^\n' * 9
    text = shortened(f"api: the new container crashes at start\n{frames}api | RuntimeError: no key")
    assert text.startswith("api: the new container crashes at start")
    assert text.endswith("api | RuntimeError: no key")
    assert "^" not in text
    assert len(text) == 300
