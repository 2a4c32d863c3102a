"""Which of its two roles the application logs in as: the other one, once its password changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployments.compose.env_file import parse_env
from deployments.compose.variables import changed_names
from deployments.database.login_roles import LoginRoles, login_roles
from deployments.host.candidate import Candidate
from deployments.host.observation import Observation
from deployments.planning.changes import secrets_changed
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE
from deployments.verbs import traits


def roles_of(target: Target) -> LoginRoles | None:
    """Both roles of a target; None where it has one."""
    return None if target.adopted else login_roles(target.stack, target.environment.variables)


def in_turn(target: Target, seen: Observation, candidate: Candidate, verb: str) -> Target:
    """The target with the role that its containers log in as.

    What the current release recorded decides, and never what a run that did not end installed: so
    whoever goes on after it comes to the same role. The way back keeps what it finds recorded.
    """
    roles, does = roles_of(target), traits(verb)
    if roles is None or does.secrets != "keep":
        return target
    role = roles.active(_recorded(seen, candidate))
    if does.replaces_release and _changed(roles, seen, candidate):
        role = roles.other(role)
    return replace(target, configuration=roles.given(target.configuration, role))


def _recorded(seen: Observation, candidate: Candidate) -> Mapping[str, str]:
    return parse_env(candidate.released_env or seen.env)


def _changed(roles: LoginRoles, seen: Observation, candidate: Candidate) -> bool:
    """Whether containers of a release of ours log in with another password."""
    before = (candidate.released or candidate.secrets_now).get(roles.password)
    after = candidate.secrets_then.get(roles.password)
    return seen.current not in (None, RELEASE) and None not in (before, after) and before != after


def passwords_changed(candidate: Candidate) -> set[str]:
    """Secrets that differ from those installed, or from those that the current release recorded."""
    since = changed_names(candidate.released, candidate.secrets_then) if candidate.released else []
    return {*since, *secrets_changed(candidate)}


def former_logins(target: Target, seen: Observation) -> list[str]:
    """The application's role that takes no turn now, where it may log in all the same."""
    roles = roles_of(target)
    if roles is None:
        return []
    other = roles.other(roles.active(target.configuration.variables))
    return [other] if other in seen.logins else []


def refused_meanwhile(target: Target, candidate: Candidate, replaced: set[str]) -> list[str]:
    """A note, where old containers are refused as soon as a password is another one.

    replaced: services whose containers this plan replaces.
    """
    database = target.stack.deploy.database
    if database is None or roles_of(target) is not None:
        return []
    password = database.application.password
    users = [s.name for s in target.stack.database_users if s.name in replaced]
    if password not in secrets_changed(candidate) or not users:
        return []
    return [
        f"{password} changes at once: until its container is replaced, {' and '.join(users)} cannot open "
        f"another connection as {target.value(database.application.role)}. Where the Compose file takes "
        "that name from a variable (application: { role: ${DATABASE_USER:-name} }), nobody is refused"
    ]
