"""What the env files of a service do not tell, as a person is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.environment import secret_kinds as secrets
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.bodies import environment_of
from deployments.onboarding.repository import NamedEnvFile, Repository


def say_unread(found: Repository, to: Adaptation, service: str, body: Mapping[str, Any]) -> None:
    """Add a note for each file that is not there, each line that cannot be read, values of nobody's."""
    for named in found.env_files_of(body):
        there = [path for path in named.candidates if path in found.env_files]
        if not there:
            to.notes.append(f"{service}: {_missing(named)}")
        for path in there:
            if lines := ", ".join(str(number) for number in found.unread.get(path, ())):
                to.notes.append(f"{service}: line {lines} of {path} is not NAME=value: left out")
        # What `environment` says comes before it.
        private = [n for n in _without_example(found, named.path) if n not in environment_of(body)]
        if private:
            note = f"{named.path} gives {', '.join(private)} a value, which is written nowhere: [variables] has it empty"
            to.notes.append(f"{service}: {note}")


def _missing(named: NamedEnvFile) -> str:
    if named.outside:
        return (
            f"{named.path} lies outside of the repository: name its variables under `environment`"
        )
    if not named.required:
        return f"{named.path} is optional and not there: left out"
    return f"{named.path} is not there: name its variables under `environment`"


def _without_example(found: Repository, path: str) -> list[str]:
    """Names to which a file that is no example gives a value, and no example does; a secret is asked for."""
    examples = found.examples()
    given = found.env_files.get(path, {})
    return [n for n, v in given.items() if v and n not in examples and not secrets.is_secret(n, v)]
