"""Reading a Compose file's form: what a deploy needs of it, and what it refuses.

Source of the shape: `docker compose config --no-interpolate --format json`, Compose 2.26.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from deployments.errors import WrongUse
from deployments.references import references
from deployments.stack import Service, Stack
from deployments.xdeploy import Deploy


def parse_stack(text: str, config: dict[str, Any], where: str) -> Stack:
    """Read a Compose file's text and its `compose config` form.

    Raises WrongUse when `x-deploy` is missing or a service's image is not a variable.
    """
    try:
        deploy = Deploy.model_validate(config.get("x-deploy") or {})
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, ('x-deploy', *e['loc'])))}: {e['msg']}" for e in error.errors()
        )
        raise WrongUse(said, where=where, todo="see docker/docker-compose.prod.yml") from None
    raw = {name: _with_variables(body) for name, body in config.get("services", {}).items()}
    services = {
        name: _service(name, body, where, optional=name in deploy.optional)
        for name, body in sorted(raw.items())
    }
    _check_names(deploy, services, where)
    return Stack(
        text=text,
        services=services,
        deploy=deploy,
        references=_asked_for({**config, "services": raw}, deploy),
        uses={name: frozenset(references(json.dumps(body))) for name, body in raw.items()},
        ports=tuple((n, p) for n, body in raw.items() for p in _published(body)),
        in_urls=_in_urls(raw),
        volumes={name: _volumes(body, config.get("volumes") or {}) for name, body in raw.items()},
    )


def _service(name: str, body: dict[str, Any], where: str, *, optional: bool) -> Service:
    # Where it is left out, Compose still reads the file: its image may have a default.
    default = "(?::-[^{}]*)?" if optional else ""
    image = re.fullmatch(rf"\$\{{([A-Z][A-Z0-9_]*){default}\}}", body.get("image", ""))
    if image is None:
        raise WrongUse(
            f"service {name}: `image` must be one variable, "
            f"${{{name.upper().replace('-', '_')}_IMAGE}}, which the deploy fills with a digest",
            where=where,
        )
    if "container_name" in body:
        raise WrongUse(
            f"service {name}: `container_name` forbids a second container, "
            "and so a replacement without a gap",
            where=where,
            todo="remove it; other services reach this one by its service name",
        )
    deploy = body.get("deploy") or {}
    order = (deploy.get("update_config") or {}).get("order", "stop-first")
    reserved = (deploy.get("resources") or {}).get("reservations") or {}
    return Service(
        name=name,
        image_variable=image.group(1),
        start_first=order == "start-first",
        reservation_mb=_mebibytes(str(reserved.get("memory", "0"))),
        overrides_command=bool(body.get("command") or body.get("entrypoint")),
        one_off=bool(body.get("profiles")) and not optional,
        stop_grace=_seconds(str(body.get("stop_grace_period", "10s"))),
    )


def _with_variables(body: dict[str, Any]) -> dict[str, Any]:
    """The service with `environment` as a table: a list is left as it is, and so is a bare name."""
    given = body.get("environment") or {}
    if isinstance(given, list):
        parts = [str(line).partition("=") for line in given]
        given = {name: value if sep else None for name, sep, value in parts}
    # A bare name is given on, where there is a value.
    filled = {n: f"${{{n}-}}" if value is None else value for n, value in given.items()}
    return {**body, "environment": filled}


def check(stack: Stack, config: dict[str, Any], where: str) -> None:
    """Raise WrongUse for what a release of this file would lose; releases that were, are as they are."""
    for name in sorted(stack.services.keys() - stack.deploy.infrastructure.keys()):
        _check_replaced(stack.services[name], config["services"][name], where)
    _check_carried(config, where)


def _check_replaced(service: Service, body: dict[str, Any], where: str) -> None:
    """What a container loses that is replaced by another one beside it."""
    copies = {str((body.get("deploy") or {}).get("replicas", 1)), str(body.get("scale", 1))}
    if copies != {"1"}:
        raise WrongUse(
            f"service {service.name}: `replicas` and `scale` are not followed, one container serves",
            where=where, state="untouched", todo="remove them, or give each copy a name of its own",
        )  # fmt: skip
    volumes = [v for v in body.get("volumes") or [] if isinstance(v, dict)]
    nameless = [v["target"] for v in volumes if v.get("type") == "volume" and not v.get("source")]
    if nameless and not service.one_off:
        raise WrongUse(
            f"service {service.name}: its volume at {nameless[0]} has no name, "
            "so each release would begin with an empty one",
            where=where, state="untouched",
            todo=f"give it one: data:{nameless[0]}, and `data` under volumes; or tmpfs, if it may go",
        )  # fmt: skip


def _check_carried(config: dict[str, Any], where: str) -> None:
    """What would not reach the server, or would change there without anybody noticing."""
    for kind in ("secrets", "configs"):
        for name, body in (config.get(kind) or {}).items():
            if not (body or {}).get("external"):
                raise WrongUse(
                    f"{kind}.{name}: only the Compose file and its variables reach the server, and "
                    "Compose replaces no container when its content changes",
                    where=where, state="untouched",
                    todo="give it to the service under `environment`, and name it in [secrets]",
                )  # fmt: skip


def _check_names(deploy: Deploy, services: dict[str, Service], where: str) -> None:
    named = {*deploy.order, *deploy.infrastructure, *deploy.optional, *deploy.probes}
    if deploy.edge:
        named |= {deploy.edge.service, *deploy.edge.routes}
    if deploy.database:
        named.add(deploy.database.service)
    if deploy.migrate:
        named |= {deploy.migrate.service, deploy.migrate.image_of, *deploy.migrate.at_start}
    unknown = sorted(named - services.keys())
    if unknown:
        raise WrongUse(
            f"x-deploy names services that do not exist: {', '.join(unknown)}", where=where
        )


def _published(body: dict[str, Any]) -> list[str]:
    """Host ports of `8003:8003`, `127.0.0.1:${PORT:-8003}:8003` or the long form; TCP only.

    Of several for one port inside, Compose takes one that is free.
    """
    found = []
    for port in body.get("ports") or []:
        if isinstance(port, dict):
            published, inside = str(port.get("published") or ""), str(port.get("target", ""))
            protocol = port.get("protocol", "tcp")
        else:
            text, _, protocol = str(port).partition("/")
            match = re.search(r"((?:\$\{[^}]*\}|\$\w+|[\d-])+):([^:]+)$", text)
            published, inside = (match[1], match[2]) if match else ("", "")
        of_several = re.fullmatch(r"\d+-\d+", published) and "-" not in inside
        if published and protocol in ("", "tcp") and not of_several:
            found.append(published)
    return found


def _asked_for(config: dict[str, Any], deploy: Deploy) -> dict[str, str | None]:
    """Variables that somebody must or may give a value; the project's name Compose knows."""
    parts = [config.get(key) or {} for key in ("services", "volumes", "networks", "x-deploy")]
    found = references(json.dumps(parts))
    if deploy.database:
        # The roles' passwords, whether or not a container is given them.
        found |= {deploy.database.owner.password: None, deploy.database.application.password: None}
    return {name: default for name, default in found.items() if name != "COMPOSE_PROJECT_NAME"}


def _volumes(body: dict[str, Any], names: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Named volumes: a name that the file does not give is Compose's own, of the project."""
    return tuple(
        (names.get(v["source"], {}).get("name") or v["source"], v["target"])
        for v in body.get("volumes") or []
        if isinstance(v, dict) and v.get("type") == "volume" and v.get("source")
    )


def _seconds(text: str) -> int:
    parts = re.findall(r"(\d+)(h|m|s)(?![a-z])", text)
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts) or 10


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kmg]?)b?", text.strip().lower())
    if match is None:
        return 0
    return int(match[1]) * {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}[match[2]] // 2**20


def _in_urls(raw: dict[str, dict[str, Any]]) -> frozenset[str]:
    values = [
        str(value)
        for body in raw.values()
        for value in body["environment"].values()
        if re.match(r"[a-z][a-z0-9+.:-]*://", str(value))
    ]
    return frozenset(name for value in values for name in references(value))
