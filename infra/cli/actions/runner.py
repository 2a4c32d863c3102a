"""GitHub's runner: the variables it sets, the files it reads."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deployments.errors import WrongUse
from infra.machine.sinks import clean, hide

_MASKED = 6
"""Characters from which on a value is masked: a shorter one would star out words of every log."""
_RELEASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Runner:
    """One step of one job."""

    temp: Path
    workspace: Path

    @classmethod
    def here(cls) -> Runner:
        """The runner of this process.

        A secret that is not set reaches a step as an empty variable: those are removed, so
        that the next source of secrets is asked.
        """
        for name in [n for n, value in os.environ.items() if not value]:
            del os.environ[name]
        temp = os.environ.get("RUNNER_TEMP")
        if not temp:
            raise WrongUse(
                "not a runner of GitHub Actions: RUNNER_TEMP is not set", state="untouched",
                todo="at a terminal use the verb itself, such as `homeguru deploy newest --env NAME`",
            )  # fmt: skip
        found = cls(Path(temp), Path(os.environ.get("GITHUB_WORKSPACE", ".")).resolve())
        from infra.environment.secrets import SecretsVariable

        found.mask(SecretsVariable().values.values())
        return found

    @staticmethod
    def mask(values: Iterable[str]) -> None:
        """Let neither this process nor GitHub show values that GitHub knows as parts of one secret."""
        known = [value for value in values if value]
        hide(known)
        for line in (line for value in known for line in value.splitlines()):
            if len(line) >= _MASKED:
                sys.stdout.write(f"::add-mask::{_escaped(line)}\n")
        sys.stdout.flush()

    @property
    def key(self) -> str:
        """The same for every step of one attempt of a job for one environment, and for nothing else.

        All calls of one reusable workflow in a run have the same GITHUB_JOB.
        """
        github = ("REPOSITORY", "RUN_ID", "RUN_ATTEMPT", "JOB")
        names = [*(f"GITHUB_{name}" for name in github), "HOMEGURU_ENVIRONMENT"]
        return "actions-" + "-".join(os.environ.get(name, "").strip() for name in names)

    @property
    def page(self) -> str:
        """The run's page; empty when the runner does not say."""
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        parts = [os.environ.get(name, "") for name in names]
        return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""

    @property
    def environment(self) -> str:
        """The environment that the form chose."""
        return _needed("HOMEGURU_ENVIRONMENT", "environment")

    def release(self, variable: str, default: str) -> str:
        """Name of a release, `newest` or `previous`; raises WrongUse for anything else."""
        name = os.environ.get(variable, default).strip()
        if not _RELEASE.fullmatch(name):
            raise WrongUse(
                f"not the name of a release: {name!r}", state="untouched",
                todo=f"{default}, or a name such as production-sha-0a1b2c3d4e5f",
            )  # fmt: skip
        return name

    def yes(self, variable: str) -> bool:
        """A check box."""
        value = os.environ.get(variable, "false")
        if value not in ("true", "false"):
            raise WrongUse(
                f"{variable} is true or false, not {value!r}",
                state="untouched",
                todo=f"set {variable} to true or false",
            )
        return value == "true"

    def output(self, name: str, value: str) -> None:
        """Give a later step a value."""
        mark = f"end-{secrets.token_hex(8)}"
        self._append("GITHUB_OUTPUT", f"{name}<<{mark}\n{value}\n{mark}\n")

    def summary(self, markdown: str) -> None:
        """Add to the page that people see of this job."""
        self._append("GITHUB_STEP_SUMMARY", clean(markdown).rstrip() + "\n")

    def annotate(self, level: str, text: str) -> None:
        """An `error`, `warning` or `notice` on the run's page."""
        sys.stdout.write(f"::{level}::{_escaped(clean(text))}\n")
        sys.stdout.flush()

    def _append(self, variable: str, text: str) -> None:
        file = os.environ.get(variable)
        if file:
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(text)


def _escaped(text: str) -> str:
    """As the runner reads the rest of a command's line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _needed(variable: str, label: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise WrongUse(
            f"{label} is missing: {variable} is not set", state="untouched",
            todo="the workflow gives it in the step's env",
        )  # fmt: skip
    return value
