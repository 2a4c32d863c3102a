"""What a Compose file may not contain: a release of it would lose something, or never settle.

Earlier releases are not checked: only a file that is to be released is.
`doc/compose.md` lists what is followed, refused and ignored.
"""

from __future__ import annotations

from typing import Any

from deployments.compose.stack import Service, Stack
from deployments.errors import WrongUse


def check(stack: Stack, config: dict[str, Any], where: str) -> None:
    """Raise WrongUse for what a release of this file would lose; earlier ones are not checked."""
    for name, service in sorted(stack.services.items()):
        body = config["services"][name]
        _check_shared(service, body, where)
        _check_end(service, body, where)
        _check_questions(service, stack, where)
        _check_depends(service, stack, config, where)
        if name not in stack.deploy.infrastructure:
            _check_replaced(service, body, where)
    _check_order(stack, where)
    _check_tls_ports(stack, config, where)


def _check_shared(service: Service, body: dict[str, Any], where: str) -> None:
    """What ties a container to another one by its id, so that it is out of date with each release."""
    keys = [k for k in ("network_mode", "ipc", "pid") if str(body.get(k)).startswith("service:")]
    keys += [k for k in ("volumes_from",) if body.get(k)]
    if keys:
        raise WrongUse(
            f"service {service.name}: `{keys[0]}: {body[keys[0]]}` ties its container to another "
            "one, which each release replaces",
            where=where, state="untouched",
            todo="let them share a network or a named volume, or run both programs in one container",
        )  # fmt: skip


def _check_end(service: Service, body: dict[str, Any], where: str) -> None:
    """A service whose end others wait for, and that Docker would start again."""
    if service.runs_once and str(body.get("restart", "no")) in ("always", "unless-stopped"):
        raise WrongUse(
            f"service {service.name}: others wait for its end (service_completed_successfully), and "
            f"`restart: {body['restart']}` starts it again after that",
            where=where, state="untouched", todo='give it restart: "no"',
        )  # fmt: skip


def _check_questions(service: Service, stack: Stack, where: str) -> None:
    """A service whose end others wait for, and that is to answer after it."""
    probe = stack.deploy.probes.get(service.name)
    given = probe.model_fields_set - {"log"} if probe and service.runs_once else set()
    asks = [f"probes.{service.name}.{name}" for name in sorted(given)]
    if service.runs_once and service.name in stack.deploy.routed:
        asks.append(f"edge.routes.{service.name}")
    if asks:
        raise WrongUse(
            f"service {service.name}: others wait for its end (service_completed_successfully), and "
            f"x-deploy.{asks[0]} asks it afterwards",
            where=where, state="untouched", todo="take that away; its exit code 0 is what a release waits for",
        )  # fmt: skip


def _check_depends(service: Service, stack: Stack, config: dict[str, Any], where: str) -> None:
    """What it depends on, under a profile that nothing names: Compose would not know the service."""
    for name, how in (config["services"][service.name].get("depends_on") or {}).items():
        profiles = set(config["services"][name].get("profiles") or ())
        away = name not in stack.services and not profiles & set(service.profiles)
        if profiles and away and (how or {}).get("required", True):
            raise WrongUse(
                f"service {service.name} depends on {name}, which is left out and stands under a profile: "
                "Compose would not know it",
                where=where, state="untouched",
                todo=f"name {sorted(profiles)[0]} under [services] profiles of the environment, write "
                f"`required: false` there, or leave {service.name} out too",
            )  # fmt: skip


def _check_order(stack: Stack, where: str) -> None:
    """What others wait for must be there before them."""
    place = stack.place
    for service in stack.ordered:
        late = [
            n for n in service.after
            if n in place and stack.services[n].runs_once and place[n] > place[service.name]
        ]  # fmt: skip
        if late:
            raise WrongUse(
                f"x-deploy.order puts {service.name} before {late[0]}, whose end it waits for",
                where=where, state="untouched", todo=f"name {late[0]} before {service.name}",
            )  # fmt: skip
        not_before = [
            n for n in stack.deploy.after.get(service.name, ())
            if n in place and place[n] >= place[service.name]
        ]  # fmt: skip
        if not_before:
            raise WrongUse(
                f"x-deploy.after: {service.name} waits until {not_before[0]} serves, "
                f"and {not_before[0]} is replaced after {service.name}",
                where=where, state="untouched",
                todo=f"name {not_before[0]} before {service.name} in x-deploy.order",
            )  # fmt: skip


def _check_replaced(service: Service, body: dict[str, Any], where: str) -> None:
    """What a container loses when another one replaces it."""
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


def _check_tls_ports(stack: Stack, config: dict[str, Any], where: str) -> None:
    """A port on which the edge believes what terminates TLS, open to everybody."""
    edge = stack.deploy.edge
    if edge is None:
        return
    published = {_inside(port) for port in config["services"][edge.service].get("ports") or ()}
    for name, route in sorted(edge.routes.items()):
        if str(route.tls_listen) in published:
            raise WrongUse(
                f"{edge.service} publishes port {route.tls_listen}, on which it believes who says what a "
                "client is",
                where=where, state="untouched",
                todo=f"take that port away under `ports`, or give route {name} another tls_listen",
            )  # fmt: skip


def _inside(port: Any) -> str:
    if isinstance(port, dict):
        return str(port.get("target", ""))
    return str(port).partition("/")[0].rpartition(":")[2]
