"""Our reading of references to variables against the answers of Compose itself."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from deployments.compose.env_file import parse_env
from deployments.compose.references import interpolate, references, unfilled
from infra.environment.compose_cli import stack_of

VALUES = {"A": "1", "EMPTY": ""}
TEXTS = [
    "$A/${A}", "$B", "${B}", "${B:-x}", "${EMPTY:-x}", "${EMPTY-x}", "${A:+on}${B:+on}",
    "${B:-${C}}", "${A:-${C}}", "${B:-${C:-${D:-${E}}}}", "${B:-<${C:-[${D:-x${EMPTY:-y}z}]}>}",
    "${A:+${B:-deep}}", "${B:+${C}}", "$$B $${B}", "postgres://${B:-app}:${C:-${A}}@db", "${EMPTY?}",
    "${A:-${B:-x}} ${C:-$D}", "${B:-{a}}",
]  # fmt: skip
"""None that Compose refuses; what is required is tried one by one."""


def _compose(folder, texts: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    file = folder / "compose.yml"
    environment = {f"v{n}": text for n, text in enumerate(texts)}
    services = {"a": {"image": "x", "environment": environment}}
    file.write_text(json.dumps({"name": "any", "services": services}))
    env = folder / "values.env"
    env.write_text("".join(f"{name}='{value}'\n" for name, value in VALUES.items()))
    return subprocess.run(
        ["docker", "compose", "-f", file, "--env-file", env, "config", *arguments],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/usr/local/bin", "HOME": "/"},
    )  # fmt: skip


def test_references_are_filled_as_compose_fills_them(tmp_path):
    done = _compose(tmp_path, TEXTS, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["services"]["a"]["environment"]
    # `config` writes a dollar sign as two, so that its output can be read again.
    theirs = [found[f"v{n}"].replace("$$", "$") for n in range(len(TEXTS))]
    assert theirs == [interpolate(text, VALUES) for text in TEXTS]


@pytest.mark.parametrize("text", [t for t in TEXTS if ":-${C" in t or t in ("$B", "${B:+${C}}")])
def test_what_compose_warns_of_is_what_we_miss(tmp_path, text):
    """It warns of a default that nobody reads, too: that one we let pass."""
    done = _compose(tmp_path, [text], "--format", "json")
    warned = set(re.findall(r'The \\"(\w+)\\" variable is not set', done.stderr))
    missed = unfilled(text, VALUES)
    assert missed <= warned
    assert missed == warned or interpolate(text, dict.fromkeys(warned, "seen") | VALUES) == (
        interpolate(text, VALUES)
    )


@pytest.mark.parametrize("text", ["${B:?}", "${B?x}", "${EMPTY:?}", "${A:-${B:?}}", "${A:+${B:?}}"])
def test_what_compose_requires_we_require(tmp_path, text):
    assert _compose(tmp_path, [text]).returncode != 0
    assert len(unfilled(text, VALUES)) == 1


def test_every_variable_that_compose_names_is_known(tmp_path):
    """Where its grammar differs from ours, too: `{}` in a default swallows what follows."""
    odd = [*TEXTS, "${SOFT:-{}} ${ODD:-x}"]
    environment = "".join(f"      v{n}: {json.dumps(text)}\n" for n, text in enumerate(odd))
    text = f"services:\n  a:\n    image: ${{A_IMAGE}}\n    environment:\n{environment}"
    stack = stack_of(f"{text}x-deploy: {{v: 1}}\n", "compose.yml")
    table = _compose(tmp_path, odd, "--variables").stdout.splitlines()[1:]
    named = {line.split()[0] for line in table if re.match(r"\w", line)}
    assert {"A", "B", "C", "D", "E", "EMPTY", "SOFT"} <= named
    assert named <= stack.references.keys()
    assert named <= stack.uses["a"] | {"A_IMAGE"}
    assert set().union(*(references(text) for text in TEXTS)) <= named


def test_an_env_file_by_hand_is_read_as_compose_reads_it(tmp_path):
    lines = [
        "A=value # comment", "B=value#none", 'C="quoted" # comment', "D='single' # it's one",
        "E=#x", "F=it's", 'G="x # y"', "export H=1", "K = spaced ", 'L="a\\"b"', "M=",
    ]  # fmt: skip
    env = tmp_path / "hand.env"
    env.write_text("\n".join(lines) + "\n")
    names = "ABCDEFGHKLM"
    services = {"a": {"image": "x", "environment": {name: f"${{{name}}}" for name in names}}}
    file = tmp_path / "compose.yml"
    file.write_text(json.dumps({"name": "any", "services": services}))
    done = subprocess.run(
        ["docker", "compose", "-f", file, "--env-file", env, "config", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert parse_env(env.read_text()) == json.loads(done.stdout)["services"]["a"]["environment"]
