"""One service of an ordinary Compose file, made one that a release can replace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from deployments.compose.ports import numbers
from deployments.compose.references import Reference, interpolate, parse
from deployments.image_name import read
from deployments.onboarding import secrets
from deployments.onboarding.adaptation import Adaptation, Edit, OnboardedRoute
from deployments.onboarding.bodies import (
    POSTGRES,
    arguments_of,
    build_of,
    environment_of,
    has_bare_names,
    inside,
)
from deployments.onboarding.repository import Repository

_STORES = re.compile(
    r"(^|/)(postgres|postgresql|pgbouncer|postgis|timescaledb|mysql|mariadb|redis|valkey|mongo|rabbitmq|memcached|elasticsearch|"
    r"opensearch|clickhouse-server|minio|pgvector)(:|$)"
)
_HEALTH = re.compile(
    r"""["'`](/(?:api/)?(?:v1/)?(?:healthz?|health-?check|readyz?|livez|ping|up))/?["'`]"""
)


class OrdinaryService:
    """One service of the file, being adapted."""

    def __init__(
        self, found: Repository, to: Adaptation, name: str, body: dict[str, Any], passwords: dict[str, str],
    ) -> None:  # fmt: skip
        self._found, self._to, self._name, self._body = found, to, name, body
        self._passwords = passwords
        self._built = "build" in body

    def adapt(self, variable: str) -> None:
        self._image(variable)
        self._alone()
        self._ports()
        self._volumes()
        self._variables()
        if self._built and "restart" not in self._body and not self._runs_once():
            self._change("restart", "unless-stopped", "it starts with the server")

    def _change(self, key: str, value: Any, why: str) -> None:
        self._to.change(self._name, key, value, why)

    def _runs_once(self) -> bool:
        """Whether others wait for its end."""
        for body in self._found.services.values():
            after = body.get("depends_on")
            wait = after.get(self._name) if isinstance(after, Mapping) else None
            if isinstance(wait, Mapping) and wait.get("condition") == "service_completed_successfully":  # fmt: skip
                return True
        return False

    def _image(self, variable: str) -> None:
        if self._built:
            context, file, target = build_of(self._body)
            if not any(d["variable"] == variable for d in self._to.dockerfiles.values()):
                self._to.dockerfiles[self._name] = {
                    "variable": variable, "file": file, "context": context, "target": target,
                }  # fmt: skip
            self._arguments()
            why = "a release names its image by digest"
        else:
            image = str(self._body.get("image", ""))
            self._to.infrastructure[self._name] = _whole(interpolate(image, {}))
            why = "a tag names no image for sure: it stands under x-deploy, pinned by each release"
            if POSTGRES.search(image) and "healthcheck" not in self._body:
                test = ["CMD", "pg_isready", "-h", "127.0.0.1"]
                healthy = {
                    "test": test,
                    "interval": "10s",
                    "start_period": "60s",
                    "start_interval": "1s",
                }
                self._change("healthcheck", healthy, "a release waits until it is ready")
        if self._body.get("image") != f"${{{variable}}}":
            self._change("image", f"${{{variable}}}", why)

    def _arguments(self) -> None:
        for name, text in arguments_of(self._body).items():
            named = {
                p.name: self._found.example(p.name) for p in parse(text) if isinstance(p, Reference)
            }
            value = interpolate(text, {n: v for n, v in named.items() if v})
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name) or not value:
                self._to.notes.append(
                    f"{self._name}: build argument {name} has no value; [build] gives one"
                )
            elif self._to.build.setdefault(name, value) != value:
                self._to.notes.append(
                    f"{self._name}: build argument {name} is another one's too, with another value; give one of them a name of its own"
                )

    def _alone(self) -> None:
        for key in ("container_name", "hostname"):
            if key in self._body:
                self._change(key, None, "two containers of it run while one takes over")
        if self._body.get("scale") not in (None, 1):
            self._change("scale", None, "one container of a service serves")
        deploy = self._body.get("deploy") or {}
        if "replicas" in deploy:
            rest = {k: v for k, v in deploy.items() if k != "replicas"}
            self._change("deploy", rest or None, "one container of a service serves")

    def _ports(self) -> None:
        ports = [p for p in (_port(entry) for entry in self._body.get("ports") or ()) if p]
        if not ports:
            return
        if not self._built:
            if _STORES.search(str(self._body.get("image", ""))):
                self._change("ports", None, "nobody outside needs to reach it")
                return
            open_to_all = ", ".join(str(p.published) for p in ports if not p.local)
            if open_to_all:
                self._to.notes.append(f"{self._name}: port {open_to_all} stays open to everybody")
            return
        # First what everybody reaches: a debugger's port is bound to the laptop.
        first, *others = sorted(ports, key=lambda p: p.local)
        self._to.routes[self._name] = OnboardedRoute(
            first.published, first.own, self._health(), "127.0.0.1" if first.local else ""
        )
        if others:
            more = ", ".join(str(p.published) for p in others)
            self._to.notes.append(f"{self._name}: port {first.published} is reached from outside, and {more} is not")  # fmt: skip
        deploy = {k: v for k, v in (self._body.get("deploy") or {}).items() if k != "replicas"}
        self._change(
            "deploy", {**deploy, "update_config": {"order": "start-first"}},
            "the new container serves before the old one stops",
        )  # fmt: skip
        udp = [e for e in self._body["ports"] if _port(e) is None]
        self._change("ports", udp or None, "the edge has the ports, and sends requests on")

    def _health(self) -> str:
        """Where its code answers a health check; `/` where none was found."""
        context = build_of(self._body)[0]
        for path, text in sorted(self._found.below(context).items()):
            if path.endswith((".py", ".ts", ".tsx", ".js", ".mjs", ".go", ".rb", ".php")) and (
                match := _HEALTH.search(text)
            ):
                return match[1]
        return "/"

    def _volumes(self) -> None:
        given = self._body.get("volumes") or []
        kept: list[Any] = []
        reasons: list[str] = []
        configs: list[Any] = list(self._body.get("configs") or ())
        for entry in given:
            source, target = _mount(entry)
            if isinstance(entry, Mapping) and entry.get("type") not in (None, "volume", "bind"):
                kept.append(entry)
            elif source == "":
                if target.rstrip("/").endswith(("node_modules", ".venv", ".next")):
                    reasons.append("what is installed is in the image")
                    continue
                name = re.sub(r"[^a-z0-9]+", "-", f"{self._name}{target}".lower()).strip("-")
                self._to.edits.append(Edit(("volumes", name), {}, "a volume with a name is kept"))
                kept.append(f"{name}:{target}")
                reasons.append("a volume with a name is kept")
            elif not source.startswith((".", "~")):
                kept.append(entry)
            elif (path := inside(source)) in self._found.files:
                configs.append(self._config(path, target))
                reasons.append("a file reaches the server by its content")
            elif self._built and (path == "." or self._found.below(path)):
                reasons.append("the code is in the image")
            elif not self._built and (files := self._found.in_folder(path)):
                configs += [
                    self._config(f, f"{target.rstrip('/')}/{f[len(path) + 1 :]}") for f in files
                ]
                reasons.append("a file reaches the server by its content")
            else:
                kept.append(entry)
        if reasons:
            self._change("volumes", kept or None, "; ".join(dict.fromkeys(reasons)))
        if len(configs) > len(self._body.get("configs") or ()):
            self._change("configs", configs, "a file reaches the server by its content")

    def _config(self, path: str, target: str) -> dict[str, str]:
        """A file of the repository as a config of the release."""
        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
        why = "its content is a part of the release"
        self._to.edits.append(Edit(("configs", name), {"file": f"./{path}"}, why))
        return {"source": name, "target": target}

    def _variables(self) -> None:
        before = environment_of(self._body)
        values = {**self._of_files(), **before}
        after = {name: self._value(name, value) for name, value in values.items()}
        for text in after.values():
            self._references(text)
        self._command()
        if "env_file" in self._body:
            self._change("env_file", None, "its names stand under `environment`, its values in the environment's file")  # fmt: skip
        if after != before or has_bare_names(self._body):
            why = "each value comes from the environment's file; a secret from its own"
            self._change("environment", after, why)

    def _command(self) -> None:
        """A password in the command, as Redis takes it, is the same secret."""
        command = self._body.get("command")
        replaced = (
            [self._without_passwords(str(word)) for word in command]
            if isinstance(command, list)
            else self._without_passwords(str(command or ""))
        )
        if command and replaced != (command if isinstance(command, list) else str(command)):
            self._change("command", replaced, "a secret comes from its own file")
            self._references(str(replaced))

    def _without_passwords(self, text: str) -> str:
        for password, name in self._passwords.items():
            text = re.sub(rf"(?<![\w-]){re.escape(password)}(?![\w-])", f"${{{name}}}", text)
        return text

    def _of_files(self) -> dict[str, str]:
        given = self._body.get("env_file") or []
        entries = [given] if isinstance(given, str | Mapping) else given
        paths = [inside(str(e["path"] if isinstance(e, Mapping) else e)) for e in entries]
        names = {
            n for path in paths for f in (path, f"{path}.example", f"{path}.sample", f"{path}.template")
            for n in self._found.env_files.get(f, ())
        }  # fmt: skip
        if paths and not names:
            self._to.notes.append(f"{self._name}: {', '.join(paths)} is not there: name its variables under `environment`")  # fmt: skip
        return {name: f"${{{name}}}" for name in sorted(names)}

    def _value(self, name: str, value: str) -> str:
        """A literal secret becomes a reference, also as the password in an address."""
        if "$" in value or not value:
            return value
        if value in self._passwords:
            return f"${{{self._passwords[value]}}}"
        password = secrets.password_of(value)
        if password in self._passwords:
            return value.replace(f":{password}@", f":${{{self._passwords[password]}}}@", 1)
        if secrets.is_secret(name, value) and re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            return f"${{{name}}}"
        return value

    def _references(self, text: str) -> None:
        for part in parse(text):
            if not isinstance(part, Reference) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", part.name):
                continue
            example = self._found.example(part.name)
            if secrets.is_secret(part.name, example):
                self._to.secrets[part.name] = secrets.kind_of(part.name)
            elif "-" not in part.how:
                self._to.variables.setdefault(part.name, example)


def _whole(image: str) -> str:
    """An image with its host and tag."""
    name = read(image)
    return f"{name.host}/{name.repository}" + (f"@{name.digest}" if name.digest else f":{name.tag}")


class _Port(NamedTuple):
    """Published port, the container's, and whether only the server itself reaches it."""

    published: int
    own: int
    local: bool


def _port(entry: Any) -> _Port | None:
    """Of TCP; None for UDP, and where Docker chooses the port."""
    if isinstance(entry, Mapping):
        if entry.get("protocol") == "udp":
            return None
        published, target = str(entry.get("published", "")), str(entry.get("target", ""))
        local = str(entry.get("host_ip", "")).startswith("127.")
    else:
        text, _, protocol = interpolate(str(entry), {}).partition("/")
        if protocol == "udp":
            return None
        head, _, target = text.rpartition(":")
        address, _, published = head.rpartition(":")
        local = address.startswith(("127.", "localhost", "[::1]"))
    outside, inside = numbers(interpolate(published, {})), numbers(target)
    return _Port(outside[0], inside[0], local) if outside and inside else None


def _mount(entry: Any) -> tuple[str, str]:
    """Source, empty for an anonymous volume, and the path inside."""
    if isinstance(entry, Mapping):
        return str(entry.get("source", "")), str(entry.get("target", ""))
    first, _, rest = str(entry).partition(":")
    return (first, rest.partition(":")[0]) if rest else ("", first)
