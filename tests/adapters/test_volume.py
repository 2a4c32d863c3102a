"""PostgreSQL is started to look at data only under the lock, and a refusal leaves the data as it was."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deployments import journal
from deployments.errors import Refused
from deployments.observation import read_observation
from deployments.results import Result
from infra.output import Output
from infra.volume import DataVolume

SEEN = read_observation("database " + "aG9tZWd1cnVfcGctZGF0YQo=\n")
ANSWER = '{"bytes": 7, "tables": 3, "aside": [], "undone": []}\n0002\n'


def looking(located, output: Output, *, locked: bool = True):
    """What looks, and the work that it sent."""
    sent: list[tuple[str, str]] = []

    def work(name, _script, _event, *, after, files):
        sent.append((name, after))
        assert files == {"compose.yml": "x"}
        return output

    named = SimpleNamespace(service="pg", superuser="postgres", name="app", revision="SELECT 1")
    environment = located().environment
    target = SimpleNamespace(
        value=lambda text: text, environment=environment, images=lambda _: {"pg": "r/pg@sha256:1"},
        stack=SimpleNamespace(
            deploy=SimpleNamespace(database=named),
            services={"pg": SimpleNamespace(name="pg", image_variable="PG_IMAGE")},
        ),
        login=lambda _: None, login_file=dict, candidate_files=lambda _: {"compose.yml": "x"},
    )  # fmt: skip
    host = SimpleNamespace(
        locked=locked, log=lambda _: None, incoming=".incoming/t", tunnel=lambda _: None, token="t",
        work=work, environment=environment,
    )  # fmt: skip
    return (lambda seen: DataVolume(host, None).looked_into(target, seen)), sent


def test_what_it_holds_is_known_under_the_lock(located) -> None:
    look, sent = looking(located, Output(0, "", "", (Result("database", (ANSWER,)),)))
    seen = look(SEEN)
    assert SEEN.places == ("homeguru_pg-data",)
    assert (seen.revision, seen.tables) == ("0002", 3)
    ((name, after),) = sent
    assert name == "look into data"
    # A run that dies after it is none that has to be undone.
    begun = journal.line("look into data", "begin", "t")
    assert journal.read("r1", f"{begun}\n{after}") is None


def test_a_plan_that_is_only_shown_starts_nothing(located) -> None:
    look, sent = looking(located, Output(0, "", ""), locked=False)
    assert (look(SEEN), sent) == (SEEN, [])


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (Output(20, "", "database files are incompatible"), "database files are incompatible"),
        (Output(0, "", "", (Result("database", ("",)),)), "no database app that postgres may read"),
        (Output(0, "", ""), "no database app that postgres may read"),
    ],
)
def test_data_that_cannot_be_read_is_not_taken_for_none(located, output, said) -> None:
    look, _ = looking(located, output)
    with pytest.raises(Refused, match=said) as caught:
        look(SEEN)
    assert caught.value.state == "nothing runs; its data is as it was"
