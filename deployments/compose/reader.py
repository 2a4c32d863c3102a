"""Reading a Compose file's form: what a deploy needs of it, and what it refuses.

Source of the shape: `docker compose config --no-interpolate --format json`, Compose 2.26.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from deployments.compose.configs import secret_variables, with_contents
from deployments.compose.extension import Deploy
from deployments.compose.ports import ANY, published
from deployments.compose.references import image_variable, in_urls, interpolate, references
from deployments.compose.stack import PROJECT_NAME, Process, Service, Stack
from deployments.errors import WrongUse

HERE = "/homeguru-beside-the-file/"
"""Stands for the Compose file's own folder, below which Compose puts relative paths."""


def parse_stack(
    text: str, config: dict[str, Any], where: str, named: Collection[str] = ()
) -> Stack:
    """Read a Compose file's text and its `compose config` form.

    named: variables that Compose itself finds in it. One that our grammar does not find counts as
    every service's, so that its value is never dropped.
    Raises WrongUse when `x-deploy` is missing or a service's image is not a variable.
    """
    try:
        deploy = Deploy.model_validate(config.get("x-deploy") or {})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, ('x-deploy', *e['loc'])))}: {e['msg']}" for e in error.errors()
        )
        raise WrongUse(
            problems,
            where=where,
            todo="correct that key; docker/docker-compose.prod.yml shows each",
        ) from None
    raw = {
        name: with_contents(_with_variables(body), config)
        for name, body in config.get("services", {}).items()
    }
    services = {
        name: _service(name, body, where, deploy, _waited_for(raw))
        for name, body in sorted(raw.items())
    }
    _check_names(deploy, services, where)
    services = _with_images(services, deploy, where)
    rest = [config.get(key) or {} for key in ("volumes", "networks", "x-deploy")]
    forms = {"": json.dumps(rest), **{name: json.dumps(body) for name, body in raw.items()}}
    odd = set(named) - references(json.dumps(config)).keys() - {PROJECT_NAME}
    variables = {**dict.fromkeys(odd, ""), **_variables(forms, deploy)}
    return Stack(
        text=text,
        services=services,
        deploy=deploy,
        references=variables,
        named=frozenset(variables),
        uses={name: frozenset(references(forms[name])) | odd for name in raw},
        ports=tuple((n, p) for n, body in raw.items() for p in published(body)),
        in_urls=_in_urls(raw),
        volumes={name: _volumes(body, config.get("volumes") or {}) for name, body in raw.items()},
        forms=forms,
        processes={name: _process(body) for name, body in raw.items()},
        places={name: _places(body, config.get("volumes") or {}) for name, body in raw.items()},
        secret_variables={name: secret_variables(body) for name, body in raw.items()},
    )


def _service(
    name: str, body: dict[str, Any], where: str, deploy: Deploy, waited_for: frozenset[str]
) -> Service:
    optional = name in deploy.optional
    # Where it is left out, Compose still reads the file: its image may have a default.
    default = "(?::-[^{}]*)?" if optional else ""
    image = re.fullmatch(rf"\$\{{([A-Z][A-Z0-9_]*){default}\}}", body.get("image", ""))
    if image is None:
        raise WrongUse(
            f"service {name}: `image` must be one variable, ${{{image_variable(name)}}}, which the deploy "
            "fills with a digest", where=where, state="untouched", todo=_image_advice(name, body),
        )  # fmt: skip
    if "container_name" in body:
        raise WrongUse(
            f"service {name}: `container_name` forbids a second container, "
            "and so a replacement without a gap",
            where=where,
            todo="remove it; other services reach this one by its service name",
        )
    settings = body.get("deploy") or {}
    order = (settings.get("update_config") or {}).get("order", "stop-first")
    reserved = (settings.get("resources") or {}).get("reservations") or {}
    return Service(
        name=name,
        image_variable=image.group(1),
        start_first=order == "start-first",
        reservation_mb=_mebibytes(str(reserved.get("memory", "0"))),
        overrides_command=bool(body.get("command") or body.get("entrypoint")),
        one_off=deploy.migrate is not None and name == deploy.migrate.service,
        stop_grace=_seconds(str(body.get("stop_grace_period", "10s"))),
        image_of=name,
        build=_build(body),
        profiles=tuple(body.get("profiles") or ()),
        after=tuple(body.get("depends_on") or ()),
        runs_once=name in waited_for,
        alone=_alone(body),
    )


def _image_advice(name: str, body: dict[str, Any]) -> str:
    """What to write for the image that a service names."""
    variable = f"${{{image_variable(name)}}}"
    if "build" in body:
        return (
            f"write `image: {variable}` beside `build`, and name the Dockerfile of `build` under "
            "[dockerfiles] of the environment"
        )
    image = str(body.get("image", ""))
    if not image or "$" in image:
        return f"write `image: {variable}`"
    return f"write `image: {variable}`, and under x-deploy.infrastructure `{name}: {image}`"


def _build(body: dict[str, Any]) -> tuple[str, str, str] | None:
    """Compose's `build`, with paths relative to the outermost folder that it names.

    The Compose file may lie in a folder of its own, and then builds `..`.
    """
    build = body.get("build")
    if not isinstance(build, dict):
        return None
    context = str(build.get("context") or ".")
    if re.match(r"[a-z]+://|/", context):
        context = "."
    file = posixpath.normpath(posixpath.join(context, str(build.get("dockerfile") or "Dockerfile")))
    inside = [re.sub(r"^(\.\./)+", "", f"{path}/").rstrip("/") or "." for path in (file, context)]
    return inside[0], posixpath.normpath(inside[1]), str(build.get("target") or "")


def _waited_for(raw: dict[str, dict[str, Any]]) -> frozenset[str]:
    """Services whose end others wait for."""
    return frozenset(
        name
        for body in raw.values()
        if isinstance(body.get("depends_on"), dict)
        for name, how in body["depends_on"].items()
        if (how or {}).get("condition") == "service_completed_successfully"
    )


def _alone(body: dict[str, Any]) -> str:
    """Why two containers of a service cannot run at a time; empty where they can."""
    if ports := published(body, ANY):
        return f"it publishes {ports[0]} itself, which two containers cannot share"
    if body.get("network_mode") == "host":
        return "it uses the host's network, where two containers would want the same ports"
    return ""


def _with_images(services: dict[str, Service], deploy: Deploy, where: str) -> dict[str, Service]:
    """The services, each with the one whose image it runs: those of one variable share one image.

    It is the image of the first of them in `x-deploy.order`, or else by name.
    """
    rank = {name: i for i, name in enumerate(deploy.order)}
    first: dict[str, Service] = {}
    long_running = [s for s in services.values() if not s.one_off]
    for service in sorted(long_running, key=lambda s: (rank.get(s.name, len(rank)), s.name)):
        owner = first.setdefault(service.image_variable, service)
        sources = [deploy.infrastructure.get(s.name) for s in (owner, service)]
        if sources[0] != sources[1]:
            raise WrongUse(
                f"services {owner.name} and {service.name} have one image, "
                f"${{{service.image_variable}}}, and x-deploy.infrastructure says something else of each",
                where=where, state="untouched", todo="give each a variable of its own",
            )  # fmt: skip
    return {
        name: replace(
            s, image_of=first[s.image_variable].name if s.image_variable in first else name
        )
        for name, s in services.items()
    }


def _with_variables(body: dict[str, Any]) -> dict[str, Any]:
    """The service with `environment` as a table: a list is left as it is, and so is a bare name."""
    environment = body.get("environment") or {}
    if isinstance(environment, list):
        parts = [str(line).partition("=") for line in environment]
        environment = {name: value if sep else None for name, sep, value in parts}
    # A bare name is given on, where there is a value.
    filled = {n: f"${{{n}-}}" if value is None else value for n, value in environment.items()}
    return {**body, "environment": filled}


def _check_names(deploy: Deploy, services: dict[str, Service], where: str) -> None:
    named = {
        *deploy.order,
        *deploy.infrastructure,
        *deploy.optional,
        *deploy.probes,
        *deploy.prepare,
        *deploy.after,
        *(name for names in deploy.after.values() for name in names),
    }
    if deploy.edge:
        named |= {deploy.edge.service, *deploy.edge.routes}
    if deploy.database:
        named.add(deploy.database.service)
    if deploy.migrate:
        named |= {deploy.migrate.service, deploy.migrate.image_of, *deploy.migrate.at_start}
    unknown = sorted(named - services.keys())
    if unknown:
        raise WrongUse(
            f"x-deploy names services that do not exist: {', '.join(unknown)}",
            where=where,
            todo=f"correct the names; the file has {', '.join(sorted(services))}",
        )


def _variables(forms: dict[str, str], deploy: Deploy) -> dict[str, str | None]:
    """Variables that somebody must or may give a value; the project's name Compose knows."""
    defaults = references("\n".join(forms.values()))
    if deploy.database:
        # The roles' passwords, whether or not a container is given them.
        defaults |= {
            deploy.database.owner.password: None,
            deploy.database.application.password: None,
        }
    return {name: default for name, default in defaults.items() if name != PROJECT_NAME}


def _volumes(body: dict[str, Any], names: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Named volumes: a name that the file does not give is Compose's own, of the project."""
    return tuple(
        (names.get(v["source"], {}).get("name") or v["source"], v["target"])
        for v in body.get("volumes") or []
        if isinstance(v, dict) and v.get("type") == "volume" and v.get("source")
    )


def _places(body: dict[str, Any], names: dict[str, Any]) -> tuple[str, ...]:
    """Named volumes, and folders of the host that are mounted where PostgreSQL keeps its data."""
    inside = ("/var/lib/postgresql", *filter(None, [body["environment"].get("PGDATA")]))
    bound = [
        str(v["source"]).replace(HERE, "./")
        for v in body.get("volumes") or []
        if isinstance(v, dict) and v.get("type") == "bind" and str(v["target"]).startswith(inside)
    ]
    return (*(name for name, _ in _volumes(body, names)), *bound)


def _process(body: dict[str, Any]) -> Process:
    call = {k: body[k] for k in ("entrypoint", "user", "working_dir") if body.get(k) is not None}
    environment = {name: str(value) for name, value in body["environment"].items()}
    mounts = [v["target"] for v in body.get("volumes") or [] if isinstance(v, dict)]
    return Process(call, environment, tuple(mounts))


def _seconds(text: str) -> int:
    parts = re.findall(r"(\d+)(h|m|s)(?![a-z])", text)
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts) or 10


def _mebibytes(text: str) -> int:
    """`512m`, `1.5g`, `512MiB` or `${MEM:-512m}`, by its default; 0 for what is no size."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", interpolate(text, {}).strip().lower())
    if match is None:
        return 0
    unit = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[2]]
    return int(float(match[1]) * 2**unit) // 2**20


def _in_urls(raw: dict[str, dict[str, Any]]) -> frozenset[str]:
    values = [str(value) for body in raw.values() for value in body["environment"].values()]
    return frozenset(name for value in values for name in in_urls(value))
