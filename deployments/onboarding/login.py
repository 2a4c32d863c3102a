"""The name that an application logs in to PostgreSQL with, as a variable: two roles can then take turns."""

from __future__ import annotations

import json
import re
from typing import Any

from deployments.compose.references import interpolate
from deployments.onboarding.adaptation import Adaptation
from deployments.onboarding.bodies import environment_of
from deployments.onboarding.repository import Repository

LOGIN = "DATABASE_LOGIN"
_NAMED = re.compile(r"(USER|USERNAME|ROLE|LOGIN)$")
_WHY = "two roles log in by turns, so that a new password refuses nobody"


def let_roles_take_turns(found: Repository, to: Adaptation) -> None:
    """Take the name from a variable in each service that has the password, or in none.

    One that has it in another place than its `environment` would log in as one role with the password
    of the other.
    """
    if not to.database or LOGIN in json.dumps(found.compose):
        return
    role, password = to.database["application"]["role"], to.database["application"]["password"]
    bodies = {n: b for n, b in _adapted(found, to).items() if n != to.database["service"]}
    users = {n: body for n, body in bodies.items() if password in json.dumps(body)}
    values = {**found.examples(), **to.variables}
    changed = {}
    for name, body in users.items():
        rest = {key: value for key, value in body.items() if key != "environment"}
        after = {
            n: _with_login(n, text, role, password, values)
            for n, text in environment_of(body).items()
        }
        if password in json.dumps(rest) or not any(LOGIN in text for text in after.values()):
            return
        changed[name] = after
    for name, after in changed.items():
        to.change(name, "environment", after, _WHY)
    if changed:
        login = {"role": f"${{{LOGIN}:-{role}}}", "password": password}
        to.database["application"] = login


def _adapted(found: Repository, to: Adaptation) -> dict[str, dict[str, Any]]:
    """The services as the edits so far leave them."""
    bodies = {name: dict(body) for name, body in found.services.items()}
    for edit in to.edits:
        if edit.path[0] == "services" and len(edit.path) == 2:
            bodies[edit.path[1]] = dict(edit.value)
        elif edit.path[0] == "services" and len(edit.path) == 3:
            bodies[edit.path[1]][edit.path[2]] = edit.value
    return bodies


def _with_login(name: str, text: str, role: str, password: str, values: dict[str, str]) -> str:
    """A variable's text with the reference where the role's name stands."""

    def is_role(part: str) -> bool:
        return interpolate(part, values) == role

    def filled(match: re.Match[str]) -> str:
        user, rest = match.groups()
        return f"://${{{LOGIN}:-{user}}}{rest}" if is_role(user) else match[0]

    if _NAMED.search(name) and text and is_role(text):
        return f"${{{LOGIN}:-{text}}}"
    return re.sub(rf"://([^:/@\s]+|\$\{{[^}}]+\}})(:\$\{{{password}\b[^}}]*\}}@)", filled, text)
