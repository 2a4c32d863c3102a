"""A Compose file of ordinary use, as one that can be deployed: each change with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from deployments.compose.ports import numbers
from deployments.compose.references import Reference, interpolate, parse
from deployments.image_name import read
from deployments.onboarding import secrets
from deployments.onboarding.repository import Repository

EDGE, EDGE_IMAGE = "edge", "docker.io/library/haproxy:3.0"

_STORES = re.compile(
    r"(^|/)(postgres|postgresql|pgbouncer|postgis|timescaledb|mysql|mariadb|redis|valkey|mongo|rabbitmq|memcached|elasticsearch|"
    r"opensearch|clickhouse-server|minio|pgvector)(:|$)"
)
_HEALTH = re.compile(
    r"""["'`](/(?:api/)?(?:v1/)?(?:healthz?|health-?check|readyz?|livez|ping|up))/?["'`]"""
)
_POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector)(:|$)")


@dataclass(frozen=True)
class Edit:
    """One change. path: keys from the top of the file. value: None takes the key away."""

    path: tuple[str, ...]
    value: Any
    why: str


@dataclass(frozen=True)
class OnboardedRoute:
    """A service that people reach: the published port, its own, and where it says that it is well."""

    listen: int
    port: int
    health: str
    address: str = ""
    """Of the server, where it is published to that alone."""


@dataclass
class Adaptation:
    """What a repository's Compose file comes to, and what its environment has to say.

    dockerfiles: service to file, context and target. secrets: name to its kind. asked: variables
    that have no value yet. notes: what a person should know, a sentence each.
    """

    edits: list[Edit] = field(default_factory=list)
    infrastructure: dict[str, str] = field(default_factory=dict)
    dockerfiles: dict[str, dict[str, str]] = field(default_factory=dict)
    build: dict[str, str] = field(default_factory=dict)
    routes: dict[str, OnboardedRoute] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, secrets.SecretKind] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def change(self, service: str, key: str, value: Any, why: str) -> None:
        self.edits.append(Edit(("services", service, key), value, why))


def adapt(found: Repository) -> Adaptation:
    """Go through the services one after another; nothing of the repository is changed."""
    adaptation = Adaptation()
    images = _image_variables(found)
    passwords = _literal_passwords(found)
    for name, body in found.services.items():
        _Service(found, adaptation, name, body, passwords).adapt(images[name])
    _add_migrations(found, adaptation, images)
    _add_edge(found, adaptation)
    own = [n for n in _in_order(found) if n not in adaptation.infrastructure]
    adaptation.order = [
        *[n for n in _in_order(found) if n in adaptation.infrastructure],
        *([EDGE] if adaptation.routes else []),
        *own,
    ]
    adaptation.edits.append(Edit(("x-deploy",), _x_deploy(adaptation), "what Compose cannot say"))
    return adaptation


def _in_order(found: Repository) -> list[str]:
    """Services as the file has them, each after those that it waits for."""
    done: dict[str, None] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in found.services and name not in done and name not in above:
            for before in _after(found.services[name]):
                add(before, (*above, name))
            done[name] = None

    for name in found.services:
        add(name, ())
    return list(done)


def _image_variables(found: Repository) -> dict[str, str]:
    """Service to its image's variable; who is built alike has the same one."""
    by_build: dict[tuple[str, ...], str] = {}
    names: dict[str, str] = {}
    for name, body in found.services.items():
        variable = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") + "_IMAGE"
        if "build" in body:
            alike = (*_build_of(body), str(sorted(_arguments_of(body).items())))
            variable = by_build.setdefault(alike, variable)
        names[name] = variable
    return names


def _build_of(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Context, Dockerfile from the root of the repository, and stage."""
    build = body["build"]
    if isinstance(build, str):
        build = {"context": build}
    context = _inside(str(build.get("context", ".")))
    file = _inside(str(build.get("dockerfile", "Dockerfile")))
    return context, file if context == "." else f"{context}/{file}", str(build.get("target", ""))


def _arguments_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Build arguments as they are written; of one that is named alone: a reference."""
    build = body["build"]
    given = (build.get("args") or {}) if isinstance(build, Mapping) else {}
    return _environment({"environment": given})


def _inside(path: str) -> str:
    return path.removeprefix("./").strip("/") or "."


def _environment(body: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a service, whichever of its two forms the file has; without a value: a reference."""
    given = body.get("environment") or {}
    if isinstance(given, Mapping):
        pairs = {str(k): "" if v is None else str(v) for k, v in given.items()}
        return {k: v if given[k] is not None else f"${{{k}}}" for k, v in pairs.items()}
    found = {}
    for line in map(str, given):
        name, equals, value = line.partition("=")
        found[name] = value if equals else f"${{{name}}}"
    return found


def _bare_names(body: Mapping[str, Any]) -> bool:
    """Whether a variable is named without a value: it would be that of whoever starts Compose."""
    given = body.get("environment") or {}
    if isinstance(given, Mapping):
        return None in given.values()
    return any("=" not in str(line) for line in given)


def _literal_passwords(found: Repository) -> dict[str, str]:
    """Passwords that stand in the file, to the variable that takes their place."""
    return {
        value: name
        for body in found.services.values()
        for name, value in _environment(body).items()
        if value and "$" not in value and secrets.is_secret(name) and len(value) > 2
    }


class _Service:
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
            context, file, target = _build_of(self._body)
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
            if _POSTGRES.search(image) and "healthcheck" not in self._body:
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
        for name, text in _arguments_of(self._body).items():
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
        context = _build_of(self._body)[0]
        for path, text in sorted(self._found.below(context).items()):
            if path.endswith((".py", ".ts", ".tsx", ".js", ".mjs", ".go", ".rb", ".php")) and (
                match := _HEALTH.search(text)
            ):
                return match[1]
        return "/"

    def _volumes(self) -> None:
        given = self._body.get("volumes") or []
        kept, reasons = [], []
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
            elif (inside := _inside(source)) in self._found.files:
                configs.append(self._config(inside, target))
                reasons.append("a file reaches the server by its content")
            elif self._built and (inside == "." or self._found.below(inside)):
                reasons.append("the code is in the image")
            elif not self._built and (files := self._found.in_folder(inside)):
                configs += [
                    self._config(f, f"{target.rstrip('/')}/{f[len(inside) + 1 :]}") for f in files
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
        before = _environment(self._body)
        values = {**self._of_files(), **before}
        after = {name: self._value(name, value) for name, value in values.items()}
        for text in after.values():
            self._references(text)
        self._command()
        if "env_file" in self._body:
            self._change("env_file", None, "its names stand under `environment`, its values in the environment's file")  # fmt: skip
        if after != before or _bare_names(self._body):
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
        paths = [_inside(str(e["path"] if isinstance(e, Mapping) else e)) for e in entries]
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


_MIGRATIONS = (
    ("alembic.ini", ["alembic", "upgrade", "head"], "alembic"),
    ("manage.py", ["python", "manage.py", "migrate", "--noinput"], "manage.py migrate"),
    ("prisma/schema.prisma", ["npx", "prisma", "migrate", "deploy"], "prisma migrate"),
)


def _add_migrations(found: Repository, to: Adaptation, images: Mapping[str, str]) -> None:
    """A service that migrates once in each release, where nothing of the application does."""
    for name in to.dockerfiles:
        body = found.services[name]
        context = _build_of(body)[0]
        for file, command, sign in _MIGRATIONS:
            path = file if context == "." else f"{context}/{file}"
            if path not in found.files or _mentions(found, sign) or "migrate" in found.services:
                continue
            environment = next(
                (e.value for e in to.edits if e.path == ("services", name, "environment")),
                _environment(body),
            )  # fmt: skip
            waits = {n: _waited(found, n) for n in _after(body) if n in to.infrastructure}
            migrate = {
                "image": f"${{{images[name]}}}", "command": command, "restart": "no",
                "environment": dict(environment), "depends_on": waits,
            }  # fmt: skip
            if "networks" in body:
                migrate["networks"] = body["networks"]
            why = f"{path} is there and nothing runs it: once in each release, before {name}"
            to.edits.append(Edit(("services", "migrate"), migrate, why))
            after = {n: _waited(found, n) for n in _after(body)}
            given = body.get("depends_on")
            after |= dict(given) if isinstance(given, Mapping) else {}
            after["migrate"] = {"condition": "service_completed_successfully"}
            to.change(name, "depends_on", after, "the migration comes first")
            return


def _after(body: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in body.get("depends_on") or ()]


def _waited(found: Repository, service: str) -> dict[str, str]:
    """A database is waited for until it is ready: it has a health check, or gets one."""
    body = found.services.get(service, {})
    ready = "healthcheck" in body or _POSTGRES.search(str(body.get("image", "")))
    return {"condition": "service_healthy" if ready else "service_started"}


def _mentions(found: Repository, sign: str) -> bool:
    """Whether a Dockerfile, a script or a command of the Compose file migrates already."""
    texts = [t for p, t in found.texts.items() if p.endswith((".sh", "Dockerfile", "Makefile"))]
    commands = [str(b.get(k, "")) for b in found.services.values() for k in ("command", "entrypoint")]  # fmt: skip
    plain = re.sub(r"[\s\"',\[\]]+", " ", "\n".join([*texts, *commands]))
    return sign in plain if sign != "alembic" else "alembic upgrade" in plain


def _add_edge(found: Repository, to: Adaptation) -> None:
    if not to.routes:
        return
    to.infrastructure[EDGE] = EDGE_IMAGE
    edge = {
        "image": "${EDGE_IMAGE}", "restart": "unless-stopped",
        "command": ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
        "stop_signal": "SIGUSR1", "stop_grace_period": "30s",
        "ports": [
            f"{f'{r.address}:' if r.address else ''}{r.listen}:{r.listen}" for r in to.routes.values()
        ],
        "volumes": ["./edge:/usr/local/etc/haproxy:ro"],
        "healthcheck": {
            "test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9999 && echo show info >&3 && grep -q Name: <&3"],
            "interval": "10s", "start_period": "20s", "start_interval": "1s",
        },
    }  # fmt: skip
    networks = [
        str(n) for name in to.routes for n in found.services[name].get("networks") or ["default"]
    ]
    if set(networks) != {"default"}:
        edge["networks"] = list(dict.fromkeys(networks))
    why = "requests go on while a container takes over from another"
    to.edits.append(Edit(("services", EDGE), edge, why))


def _x_deploy(to: Adaptation) -> dict[str, Any]:
    deploy: dict[str, Any] = {
        "v": 1,
        "order": to.order,
        "infrastructure": dict(to.infrastructure),
    }
    if to.routes:
        deploy["edge"] = {
            "service": EDGE, "config": "edge/haproxy.cfg",
            "routes": {n: {"listen": r.listen, "port": r.port, "health": r.health} for n, r in to.routes.items()},
        }  # fmt: skip
        deploy["probes"] = {n: {"outside": {"url": n, "path": r.health}} for n, r in to.routes.items()}  # fmt: skip
    return deploy
