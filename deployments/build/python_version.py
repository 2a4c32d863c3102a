"""Which Python an application runs with, by what its repository says."""

from __future__ import annotations

import tomllib

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from deployments.errors import WrongUse

_PYTHONS = ("3.11", "3.12", "3.13", "3.10")


def python_version(chosen: str, pyproject: str) -> str:
    """What `.python-version` says when it names one, else the first that `requires-python` allows."""
    parts = chosen.strip().split(".")
    if len(parts) >= 2 and all(p.isdigit() for p in parts[:2]):
        return ".".join(parts[:2])
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise WrongUse(
            f"not valid TOML: {error}",
            where="pyproject.toml of the source",
            state="untouched",
            todo="correct that file in the source, commit, publish again",
        ) from None
    try:
        allowed_versions = SpecifierSet(str(project.get("requires-python", "")))
    except InvalidSpecifier:
        return _PYTHONS[0]
    fitting = [v for v in _PYTHONS if allowed_versions.contains(f"{v}.99")]
    if not fitting:  # one exact version, such as ==3.12.4
        some = allowed_versions.filter(f"{v}.{n}" for v in _PYTHONS for n in range(99))
        fitting = [version.rpartition(".")[0] for version in some]
    return fitting[0] if fitting else _PYTHONS[0]
