"""Whose a directory and a Compose project are, so that no environment takes another's containers.

An environment records its name and its project in its directory. What Compose started names the
directory that it was started from, in a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.compose.references import references
from deployments.compose.stack import PROJECT_NAME, Stack, in_project
from deployments.environment.schema import Environment
from deployments.errors import Refused
from deployments.host.observation import Observation

Problem = tuple[str, str]
"""What is wrong, and what to do about it."""


def check_owner(environment: Environment, stack: Stack, seen: Observation) -> None:
    """Raise Refused when the directory or the project is another environment's, or was renamed."""
    for what, todo in ownership(environment, stack, seen):
        raise Refused(what, where=environment.ssh, state=_state(seen), todo=todo)


def ownership(environment: Environment, stack: Stack, seen: Observation) -> list[Problem]:
    """The first reason why this environment may not work here; one is enough."""
    problems = (
        *_of_another_directory(environment, seen),
        *_of_another_environment(environment, seen),
        *_renamed(environment, stack, seen),
    )
    return list(problems[:1])


def _state(seen: Observation) -> str:
    return f"runs {seen.current}, unchanged" if seen.current else "untouched"


def _of_another_directory(environment: Environment, seen: Observation) -> Iterator[Problem]:
    """Two environments in one directory would undo each other's releases."""
    if seen.environment not in ("", environment.name):
        yield (
            f"directory {environment.directory} is environment {seen.environment}'s",
            "give this one a directory and a project of its own; if it was only renamed, remove "
            f"{environment.directory}/.environment",
        )


def _of_another_environment(environment: Environment, seen: Observation) -> Iterator[Problem]:
    """Two environments in one project would remove each other's containers.

    Another user's directory may not be readable: what runs there by digest from a file of our name
    is an environment's all the same.
    """
    deployed = {
        c.directory
        for c in seen.containers
        if "@sha256:" in c.ref and c.compose_file == f"{c.directory}/compose.yml"
    }
    for project in seen.projects:
        if project.name != environment.project or project.here:
            continue
        if not (project.environment or (seen.current is None and project.directory in deployed)):
            continue
        if project.environment == environment.name:
            yield (
                f"environment {environment.name} is deployed in {project.directory}, and its file "
                f"names directory {environment.directory}",
                f'write directory = "{project.directory}" again',
            )
            continue
        whose = (
            f"environment {project.environment}" if project.environment else "another environment"
        )
        yield (
            f"Compose project {environment.project} is {whose}'s, which runs in {project.directory}",
            f"give environment {environment.name} a `project` and a directory of its own: with "
            "this one it would take the other's containers and volumes",
        )


@dataclass(frozen=True)
class _Rename:
    """An environment that is deployed under one project, while its file names another."""

    environment: Environment
    stack: Stack
    before: str
    runs: bool
    """Whether the project of before still has containers."""

    def problem(self) -> Problem | None:
        """None where everything is kept: no container is left, and each volume has its old name."""
        moved = self._moved()
        if not (moved or self.runs):
            return None
        now = self.environment.project
        steps = [*moved, *([self._remove()] if self.runs else [])]
        numbered = "; ".join(f"{n}. {step}" for n, step in enumerate(steps, 1))
        return (
            f"environment {self.environment.name} is deployed as Compose project {self.before}, "
            f"and its file names project {now}",
            f'write project = "{self.before}" again. To rename it: {numbered}',
        )

    def _moved(self) -> list[str]:
        """How each volume that Compose names after the project keeps its name."""
        volumes = self.stack.volumes
        patterns = {name for s in self.stack.services for name, _ in volumes.get(s, ())}
        changes = []
        for pattern in sorted(patterns):
            name = self._name(pattern, self.before)
            if name == self._name(pattern, self.environment.project):
                continue
            variable = next((n for n in references(pattern) if n != PROJECT_NAME), "")
            if variable:
                changes.append(
                    f'write {variable} = "{name}" under [variables], which keeps its data'
                )
            else:
                key = re.sub(r"^\$\{COMPOSE_PROJECT_NAME\}_", "", pattern)
                changes.append(f"give volume {key} of the Compose file `name: {name}`")
        return changes

    def _name(self, pattern: str, project: str) -> str:
        return in_project(pattern, project, self.environment.variables)

    def _remove(self) -> str:
        """The containers alone: the volumes stay, and the ports come free."""
        label = f"label=com.docker.compose.project={self.before}"
        return (
            "then on the server, where nothing serves from here on: "
            f"docker ps -aq --filter {label} | xargs docker rm -f; "
            f"then homeguru deploy current --env {self.environment.name}"
        )


def _renamed(environment: Environment, stack: Stack, seen: Observation) -> Iterator[Problem]:
    """Under another project Compose would start everything anew, with empty volumes."""
    before = seen.project or _project_of_records(seen)
    if before in ("", environment.project):
        return
    runs = any(project.name == before for project in seen.projects)
    if problem := _Rename(environment, stack, before, runs).problem():
        yield problem


def _project_of_records(seen: Observation) -> str:
    """Of a host that was last written to by a version that did not record the project."""
    if seen.current is None or seen.containers:
        return ""
    return next((p.name for p in seen.projects if p.here), "")
