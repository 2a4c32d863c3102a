"""What grows with the history: 1, 20 and 200 releases in the ledger, and journals as many.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Iterator

import pytest

from deployments.ledger import FIRST, Line
from tests.benchmarks.document import write_section
from tests.e2e.conftest import World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
RELEASES = (1, 20, 200)
VERBS = {
    "plan": ("plan", "{release}"), "no-change deploy": ("deploy", "{release}"), "status": ("status",),
    "history": ("history",), "audit verify": ("audit", "verify"),
}  # fmt: skip
TIMES = 3


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("growth", tmp_path_factory.mktemp("growth"), "") as found:
        name = found.publish()
        assert found.homeguru("deploy", name, "--env", "sandbox").code == 0
        yield found


def grown(world: World, many: int) -> None:
    """The ledger of a host that had `many` releases, each with its folder and journal."""
    (first,) = [Line.model_validate(line) for line in world.ledger()[-1:]]
    lines, before = [], FIRST
    for number in range(1, many + 1):
        release = f"{number}-{first.manifest}"
        seen = {"seq": number, "release": release, "prev": before, "run": f"run-{number}"}
        previous = f"{number - 1}-{first.manifest}" if number > 1 else None
        lines.append(first.model_copy(update={**seen, "previous": previous}).to_json())
        before = hashlib.sha256(lines[-1].encode()).hexdigest()
    folder = world.on_server("cat current").strip()
    text = shlex.quote("\n".join(lines))
    world.on_server(
        f"printf '%s\\n' {text} > releases.jsonl; journal=$(ls journal/*.jsonl | head -n 1); "
        f"for n in $(seq 1 {many}); do release=$n-{first.manifest}; "
        f'[ -e "releases/$release" ] || cp -r "releases/{folder}" "releases/$release"; '
        f'cp "$journal" "journal/run-$n.jsonl"; done; echo "{many}-{first.manifest}" > current'
    )


def test_growth(world: World) -> None:
    rows = [["releases", *VERBS], ["---:", *["---:"] * len(VERBS)]]
    release = world.ledger()[-1]["manifest"]
    for many in RELEASES:
        grown(world, many)
        row = [str(many)]
        for words in VERBS.values():
            took = []
            for _ in range(TIMES):
                began = time.monotonic()
                ended = world.homeguru(
                    *[w.format(release=release) for w in words], "--env", "sandbox"
                )
                took.append(time.monotonic() - began)
                assert ended.code == 0, ended.stdout + ended.stderr
            row.append(f"{min(took):.1f}")
        rows.append(row)
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    write_section("growth", "make bench", text)
    say(text)
