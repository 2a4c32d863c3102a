"""Putting together what a verb needs: environment, Compose file, secrets, registry."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployments.compose.stack import Stack
from deployments.compose.variables import Configuration, configuration, how_to_give
from deployments.environment.schema import DEFAULT
from deployments.errors import WrongUse
from deployments.image_name import REPOSITORY
from infra.environment import locate, secrets
from infra.environment.compose_cli import check_allowed, check_stack, read_stack, with_kept_volumes
from infra.environment.configs import SecretFiles, with_configs
from infra.environment.locate import Located
from infra.machine.sinks import hide

if TYPE_CHECKING:
    from infra.registry.api import Registry


@dataclass(frozen=True)
class Assembly:
    """An environment with everything read that belongs to it, before any host is asked."""

    located: Located
    stack: Stack
    secret_values: dict[str, str]

    def configuration(self) -> Configuration:
        """Variables and secrets, complete; raises WrongUse naming each that is wanting."""
        environment = self.located.environment
        return configuration(environment, self.stack, self.secret_values, self._where, self._file)

    @property
    def _file(self) -> str:
        """The environment's secrets file; empty when it names none."""
        file = self.located.environment.secrets.file
        return str(self.located.beside(file)) if file else ""

    @property
    def _where(self) -> str:
        """The environment's file, and its file of secrets where that is not there."""
        file = self.located.environment.secrets.file
        present = not file or self.located.beside(file).is_file()
        missing = "" if present else f" (there is no {self.located.beside(file)})"
        return f"{self.located.file}{missing}"

    def check_service(self, *names: str) -> None:
        """Raise WrongUse for a service that the Compose file does not have."""
        for name in names:
            if name not in self.stack.services:
                raise WrongUse(
                    f"no service {name!r}", where=str(self.located.compose_file),
                    todo=f"choose one of: {', '.join(s.name for s in self.stack.ordered)}",
                )  # fmt: skip

    def login(self) -> tuple[str, str] | None:
        """User and token for the registries; None means anonymous."""
        login = self.located.environment.login
        if login is None:
            return None
        try:
            return self.secret_values[login.user], self.secret_values[login.token]
        except KeyError as missing:
            raise WrongUse(
                f"secret {missing.args[0]} for registry {self.located.environment.push_registry} "
                "is missing",
                where=self._where, state="untouched",
                todo=how_to_give(self.located.environment, [missing.args[0]], self._file),
            ) from None  # fmt: skip

    def hidden(self) -> list[str]:
        """Values that nothing may show; who logs in to the registry is part of image names."""
        login = self.located.environment.login
        shown = login.user if login else ""
        return [value for name, value in self.secret_values.items() if name != shown]

    def source_token(self) -> str:
        """Token that reads the application's Git URL; empty for a public one."""
        name = self.located.environment.source_token
        if name and name not in self.secret_values:
            raise WrongUse(
                f"secret {name} for the application's Git URL is missing",
                where=str(self.located.file), state="untouched",
                todo=how_to_give(self.located.environment, [name], self._file),
            )  # fmt: skip
        return self.secret_values.get(name, "")

    def notice_urls(self) -> str | None:
        """Addresses of those to tell; None when the secret is missing or nobody is named."""
        return self.secret_values.get(self.located.environment.notices.urls)

    def registry(self) -> AbstractContextManager[Registry]:
        """The registry as the deployer reaches it."""
        if port := self.located.environment.host_registry_port:
            from infra.environment.host_registry import opened_host_registry

            return opened_host_registry(self.located, port)
        # HTTP takes longer to import than a look at a host needs.
        from infra.registry.api import Registry

        return Registry(self.located.environment.push_registry, self.login())


def _check_names(located: Located, stack: Stack) -> None:
    """Raise WrongUse for names of services that the Compose file has not: they would mean nothing."""
    environment = located.environment
    verify = environment.verify
    named = {
        "[images]": set(environment.images), "[dockerfiles]": set(environment.dockerfiles),
        "[verify] leave_out": set(verify.leave_out),
        "[verify] skip": set(verify.skip), "[services] leave_out": set(environment.services.leave_out),
        "keep": set(environment.keep), "[privileges]": set(environment.privileges),
        "healthy_within": environment.healthy_within.keys() - {DEFAULT},
    }  # fmt: skip
    existing = {where: set(stack.services) for where in named}
    named["[services] profiles"] = set(environment.services.profiles)
    existing["[services] profiles"] = {p for s in stack.services.values() for p in s.profiles}
    if environment.edge.status_page and not stack.chosen(environment.services).deploy.routed:
        raise WrongUse(
            f"[edge] status_page is {environment.edge.status_page}, and no edge would show it",
            where=str(located.file), state="untouched",
            todo=f"describe one as `edge` under x-deploy of {located.compose_file.name} with a route of a "
            "service that is not left out, or take the path away",
        )  # fmt: skip
    for where, names in named.items():
        if unknown := sorted(names - existing[where]):
            kind = "profile" if where.endswith("profiles") else "service"
            raise WrongUse(
                f"{where} names {', '.join(unknown)}: no such {kind} in {located.compose_file.name}",
                where=str(located.file), state="untouched",
                todo=f"correct the names; it has {', '.join(sorted(existing[where])) or 'none'}",
            )  # fmt: skip


def _have_repositories(located: Located, stack: Stack) -> None:
    """Raise WrongUse for services of which no image could be stored: a registry has its own grammar."""
    wrong = [
        s
        for s in stack.built()
        if not re.fullmatch(REPOSITORY, located.environment.repository_of(s))
    ]
    if wrong:
        better = [re.sub(r"[^a-z0-9]+", "-", s.lower()).strip("-") for s in wrong]
        renamed = ", ".join(
            f"{old} to {new}" for old, new in zip(wrong, better, strict=True) if new
        )
        raise WrongUse(
            f"service {', '.join(wrong)}: no registry takes an image "
            f"{located.environment.repository_of(wrong[0])}, for a repository's name has lower-case "
            "letters, digits and single . _ - between them",
            where=str(located.compose_file), state="untouched",
            todo=f"rename {renamed} wherever the Compose file, x-deploy and the environment name it, and "
            "its Dockerfile and target of the bake file",
        )  # fmt: skip


def assemble(name: str, extra: list[secrets.SecretSource] | None = None) -> Assembly:
    """Read one environment and all that it names."""
    located = locate.load(name)
    stack = read_stack(located.compose_file)
    _check_names(located, stack)
    stack = with_kept_volumes(stack, located.environment.keep, str(located.file))
    deployed = _deployed(stack, located)
    check_stack(located.compose_file, deployed)
    check_allowed(located.compose_file, deployed, located.environment, located.file)
    _have_repositories(located, deployed)
    sources = [*(extra or []), SecretFiles(stack, located.compose_file)]
    assembly = Assembly(located, deployed, secrets.resolve(located, sources))
    hide(assembly.hidden())
    values = {**located.environment.variables, **assembly.secret_values}
    whole = with_configs(stack, located.compose_file, deployed.services, values)
    return replace(assembly, stack=_deployed(whole, located))


def _deployed(stack: Stack, located: Located) -> Stack:
    """The stack without what an environment does not call for or leaves out."""
    environment = located.environment
    return stack.called_for(environment.variables).chosen(environment.services)
