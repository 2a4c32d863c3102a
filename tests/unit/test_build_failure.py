"""What is shown of a build that failed, of BuildKit's own words."""

from __future__ import annotations

import pytest

from deployments.build.failure import LINES, LONGEST, failed_targets, failing_lines

SCRIPT = [f"step number {n}" for n in range(120)]
HEADING = "[frontend build 5/8] RUN <<'EOF' (set -eu...)"
PRINTED = ["", "SyntaxError: Error parsing package.json", *(f"    at line {n}" for n in range(12))]
PLACE = [f"  {n} | >>> {line}" for n, line in enumerate(SCRIPT, start=12)]
FRAME = "-" * 20
COMMAND = "\\n".join(SCRIPT)
ERROR = f'process "/bin/sh -c {COMMAND}" did not complete successfully: exit code: 1'
FAILED = "\n".join(
    [
        "#37 [api builder 4/5] COPY pyproject.toml uv.lock ./", "#37 0.100 not this step", "#37 CACHED",
        f"#38 {HEADING}", *(f"#38 0.479 {line}" for line in PRINTED), f"#38 ERROR: {ERROR}",
        "------", f" > {HEADING}:", *(f"0.479 {line}" for line in PRINTED[-10:]), "------",
        "Dockerfile.frontend:12", FRAME, "  11 |     # Comment", *PLACE, "  90 |     COPY", FRAME,
        f"ERROR: failed to solve: {ERROR}",
    ]
)  # fmt: skip


def test_a_long_script_hides_neither_the_step_nor_its_error():
    said = failing_lines(FAILED)
    lines = said.splitlines()
    assert lines[:2] == [f"> {HEADING}:", "0.479 SyntaxError: Error parsing package.json"]
    assert lines[14:18] == ["Dockerfile.frontend:12", FRAME, "  11 |     # Comment", PLACE[0]]
    assert lines[-3:-1] == ["       ... 116 more lines", FRAME]
    assert lines[-1].startswith('ERROR: failed to solve: process "/bin/sh -c step number 0')
    assert lines[-1].endswith('" did not complete successfully: exit code: 1')
    assert "not this step" not in said
    assert len(said) < LONGEST


def test_the_step_names_its_target():
    assert failed_targets(FAILED, ["api", "frontend", "bot"]) == ["frontend"]
    assert failed_targets(FAILED.replace("[frontend build", "[build"), ["web"]) == ["web"]
    assert failed_targets("ERROR: no such target", ["api", "bot"]) == ["api", "bot"]


def test_of_much_output_the_end_is_shown():
    many = "\n".join(f"#38 0.479 line {n}" for n in range(500))
    said = failing_lines(FAILED.replace("#38 ERROR", f"{many}\n#38 ERROR", 1)).splitlines()
    assert said[1] == f"0.479 line {500 - LINES}"
    assert said[LINES] == "0.479 line 499"


def test_each_step_that_failed_is_shown():
    other = "------\n > [bot 3/3] RUN false:\n0.1 no\n"
    said = failing_lines(FAILED.replace("------\nDockerfile", f"{other}------\nDockerfile"))
    assert f"> {HEADING}:" in said
    assert "> [bot 3/3] RUN false:\n0.1 no\nDockerfile.frontend:12" in said
    assert failed_targets(FAILED + f"\n{other}", ["api", "frontend", "bot"]) == ["frontend", "bot"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [("", ""), ("ERROR: no such target\n", "ERROR: no such target"), ("\n------\n", ""),
     ("x\n------\n x\n", "x")],
)  # fmt: skip
def test_what_has_no_known_form_is_shown_as_it_is(said: str, shown: str):
    assert failing_lines(said) == shown
