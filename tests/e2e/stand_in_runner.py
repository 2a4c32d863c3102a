"""A stand-in of GitHub's runner: runs the very `run:` lines of the workflows, one job at a time.

Expressions are resolved from a table of contexts; steps that set the machine up are left out,
each with its reason.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / ".venv" / "bin" / "homeguru"
LEFT_OUT = {
    "actions/checkout": "the workspace is a clone that the test makes",
    "astral-sh/setup-uv": "uv is installed, and GitHub is out of reach",
    "$/.github/actions/homeguru": "the locked environment is the one that runs this test",
    "sigstore/cosign-installer": "Debian's package is installed where a test signs, and GitHub is out of reach",
    "aquasecurity/setup-trivy": "its database cannot be had here: a test has a stand-in of trivy",
    "docker/setup-buildx-action": "its builder is an image that cannot be pulled here",
    "actions/upload-artifact": "the test looks at the file that it would keep",
    "actions/cache/restore": "the runner's temporary folder lives as long as the test",
    "actions/cache/save": "the same",
}
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def workflow(name: str) -> dict[str, Any]:
    """A workflow, or the composite action as a workflow of one job."""
    if name == "action":
        file = ROOT / ".github" / "actions" / "homeguru" / "action.yml"
        return {"jobs": {"action": yaml.safe_load(file.read_text())["runs"]}}
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def steps(name: str) -> list[dict[str, Any]]:
    """Steps of a workflow's one job."""
    (job,) = workflow(name)["jobs"].values()
    return job["steps"]


def calls(step: dict[str, Any]) -> bool:
    """Whether a step calls our command line."""
    return '"$HOMEGURU" actions' in step.get("run", "")


@dataclass(frozen=True)
class StepEnded:
    """How a step ended, and what it left."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]
    seconds: float


@dataclass
class Job:
    """One job: its contexts, its workspace, its folder for temporary files."""

    name: str
    workspace: Path
    temp: Path
    inputs: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    vars: dict[str, str] = field(default_factory=dict)
    actor: str = "octocat"
    run_id: str = "1"
    cancelled: bool = False
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, **more: str) -> StepEnded:
        """Run the step that calls us; later ones where their `if` says so."""
        (step,) = [s for s in steps(self.name) if calls(s) and "if" not in s]
        return self.step(step, **more)

    def run_cancel(self) -> StepEnded:
        """Run the step of a cancelled job."""
        (step,) = [s for s in steps(self.name) if calls(s) and "cancelled()" in s.get("if", "")]
        return self.step(step)

    def step(self, step: dict[str, Any], **more: str) -> StepEnded:
        """One step, to its end."""
        begin = time.monotonic()
        process = self.start(step, **more)
        log, _ = process.communicate(timeout=600)
        return self.ended(process.returncode, log, begin)

    def start(self, step: dict[str, Any] | None = None, **more: str) -> subprocess.Popen[str]:
        """Start a step as a runner does: a script file, bash, files of its own."""
        if step is None:
            (step,) = [s for s in steps(self.name) if calls(s) and "if" not in s]
        self.temp.mkdir(parents=True, exist_ok=True)
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        for kind in ("output", "summary"):
            (self.temp / kind).write_text("")
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
        words = shell if step.get("shell") == "bash" else ["bash", "-e"]
        given = {name: self.resolve(str(value)) for name, value in step.get("env", {}).items()}
        return subprocess.Popen(
            [*words, str(script)], cwd=self.workspace, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**self.machine, **given, **more},
            # A test that runs in a shell's background inherits that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def ended(self, code: int, log: str, begin: float) -> StepEnded:
        """What a step left in its files."""
        found = re.findall(
            r"^(\w+)<<(\S+)\n(.*?)\n\2$", (self.temp / "output").read_text(), re.M | re.S
        )
        self.outputs = {name: value for name, _, value in found}
        return StepEnded(
            code, log, (self.temp / "summary").read_text(), self.outputs, time.monotonic() - begin
        )

    def interrupt(self, process: subprocess.Popen[str]) -> None:
        """What a runner sends when somebody cancels the job: to the shell alone."""
        self.cancelled = True
        os.kill(process.pid, signal.SIGINT)

    @property
    def github(self) -> dict[str, str]:
        """The `github` context, and GITHUB_* of every step."""
        return {
            "actor": self.actor, "repository": "acme/homeguru", "repository_owner": "acme",
            "run_id": self.run_id, "run_attempt": "1", "job": self.name, "ref": "refs/heads/main",
            "sha": self._commit(), "server_url": "https://github.com", "token": "stand-in-token",
            "workspace": str(self.workspace), "event_name": "workflow_dispatch",
        }  # fmt: skip

    @property
    def machine(self) -> dict[str, str]:
        """Variables of the machine and of the runner; nothing of this process's own."""
        told = {f"GITHUB_{n.upper()}": v for n, v in self.github.items() if n != "token"}
        kept = {n: os.environ[n] for n in ("PATH", "LANG", "SSL_CERT_FILE") if n in os.environ}
        return {
            **kept, **told, "HOME": str(self.temp.parent / "home"), "CI": "true",
            "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(self.temp), "RUNNER_OS": "Linux",
            "GITHUB_OUTPUT": str(self.temp / "output"), "GITHUB_ENV": str(self.temp / "env"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "GITHUB_ACTION_PATH": str(ROOT / ".github" / "actions" / "homeguru"),
        }  # fmt: skip

    def resolve(self, text: str) -> str:
        """Replace `${{ ... }}`."""
        return _EXPRESSION.sub(lambda match: self._value(match[1]), text)

    def _value(self, expression: str) -> str:
        """The first of `a || b` that is something."""
        for term in expression.split("||"):
            value = self._term(term.strip())
            if value not in ("", False, None):
                return str(value).lower() if value is True else str(value)
        return "false" if value is False else ""

    def _term(self, term: str) -> Any:
        context, _, name = term.partition(".")
        tables: dict[str, dict[str, Any]] = {
            "inputs": self.inputs, "secrets": self.secrets, "vars": self.vars,
            "github": self.github, "runner": {"temp": str(self.temp)},
            "steps": {
                "install.outputs.homeguru": str(COMMAND), "buildx.outputs.name": "",
                **{f"{self.name}.outputs.{n}": v for n, v in self.outputs.items()},
            },
        }  # fmt: skip
        if context not in tables:
            raise AssertionError(f"the stand-in does not know {term!r}")
        # What is not set is empty, except what a workflow itself declares.
        if context in ("inputs", "github", "steps"):
            return tables[context][name]
        return tables[context].get(name, "")

    def _commit(self) -> str:
        words = ["git", "-C", str(self.workspace), "rev-parse", "HEAD"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
