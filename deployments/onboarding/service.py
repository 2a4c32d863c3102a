"""One service of an ordinary Compose file, made one that a release can replace."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from deployments.build.dockerfile import command_of
from deployments.compose.references import Reference, interpolate, parse
from deployments.environment.secret_kinds import is_secret
from deployments.errors import WrongUse
from deployments.image_name import read
from deployments.onboarding.adaptation import Adaptation, OnboardedRoute
from deployments.onboarding.bodies import POSTGRES, arguments_of, asking_for_nothing, build_of
from deployments.onboarding.commands import without_reload
from deployments.onboarding.dockerfile import copied
from deployments.onboarding.facts import RepositoryFacts
from deployments.onboarding.health import health_route
from deployments.onboarding.names import keep_names
from deployments.onboarding.ports import port_of, ports_of, unknown
from deployments.onboarding.variables import adapt_variables
from deployments.onboarding.volumes import adapt_volumes

_STORES = re.compile(
    r"(^|/)(postgres|postgresql|pgbouncer|postgis|timescaledb|mysql|mariadb|redis|valkey|mongo|rabbitmq|memcached|elasticsearch|"
    r"opensearch|clickhouse-server|minio|pgvector)(:|$)"
)

_NOT_FOLLOWED = {"additional_contexts", "secrets", "ssh", "platforms"}
"""Keys of `build` that change what an image is made from, and that no release gives to a build."""


class OrdinaryService:
    """One service of the file, being adapted."""

    def __init__(
        self, known: RepositoryFacts, to: Adaptation, name: str, body: dict[str, Any]
    ) -> None:
        self._known, self._found = known, known.found
        self._to, self._name, self._body = to, name, body
        self._built = "build" in body

    def adapt(self) -> None:
        """Add everything of it to the adaptation."""
        self._image(self._known.images[self._name])
        self._alone()
        self._ports()
        adapt_volumes(self._found, self._to, self._name, self._body)
        adapt_variables(self._known, self._to, self._name, self._without_reload())
        self._restart()
        if profiles := self._body.get("profiles"):
            self._to.notes.append(
                f"{self._name}: left out, as it stands under profile {profiles[0]}; [services] profiles of the environment includes it"
            )

    def _change(self, key: str, value: Any, why: str) -> None:
        self._to.change(self._name, key, value, why)

    def _without_reload(self) -> dict[str, Any]:
        """The service with commands for a server: a password in them is replaced after that."""
        body = dict(self._body)
        given = body if {"command", "entrypoint"} & body.keys() else {"command": self._built_in()}
        for key in ("command", "entrypoint"):
            command = without_reload(given.get(key))
            if command != given.get(key):
                body[key] = command
                why = "reloading is for development: it goes on though the application has crashed"
                self._change(key, command, why)
        return body

    def _built_in(self) -> list[str] | None:
        """The command of its Dockerfile, as a Compose file writes it."""
        if not self._built:
            return None
        _, file, target = build_of(self._found, self._body)
        words = command_of(self._found.texts.get(file, ""), target)
        return words and [word.replace("$", "$$") for word in words]

    def _restart(self) -> None:
        given = str(self._body.get("restart", ""))
        if self._name in self._known.once:
            if given in ("always", "unless-stopped"):
                self._change("restart", "no", "it ends by itself, and others start after that")
        elif not given and "restart_policy" not in (self._body.get("deploy") or {}):
            self._change("restart", "unless-stopped", "it starts with the server")

    def _image(self, variable: str) -> None:
        if self._built:
            context, file, target = build_of(self._found, self._body)
            if context.startswith(("..", "/")) or ":" in context:
                raise WrongUse(
                    f"service {self._name} is built from outside of this repository: {context}",
                    where=self._found.compose_file, state="untouched",
                    todo="a release builds what is committed here: release that one from its own repository, "
                    "or name its image there instead of `build`",
                )  # fmt: skip
            if not any(d["variable"] == variable for d in self._to.dockerfiles.values()):
                self._to.dockerfiles[self._name] = {
                    "variable": variable, "file": file, "context": context, "target": target,
                }  # fmt: skip
            self._arguments()
            build = asking_for_nothing(self._found, self._body["build"])
            if build != self._body["build"]:
                # Else the deploy would ask for variables of which it reads nothing.
                self._change(
                    "build",
                    build,
                    "a release builds by [dockerfiles] and [build] of the environment",
                )
            why = "a release names its image by digest"
        else:
            image = self._known_image()
            self._to.infrastructure[self._name] = self._whole(image)
            why = "each release pins the digest of the image that x-deploy names"
            if POSTGRES.search(image) and "healthcheck" not in self._body:
                # As a user and a database that are there: others fill its log, a line each time.
                ready = 'pg_isready -h 127.0.0.1 -U "$${POSTGRES_USER:-postgres}" -d postgres'
                healthy = {
                    "test": ["CMD-SHELL", ready],
                    "interval": "10s",
                    "start_period": "60s",
                    "start_interval": "1s",
                }
                self._change("healthcheck", healthy, "a release waits until it is ready")
        if self._body.get("image") != f"${{{variable}}}":
            self._change("image", f"${{{variable}}}", why)

    def _known_image(self) -> str:
        return self._found.image(self._body)

    def _whole(self, image: str) -> str:
        """An image with its host and tag."""
        name = read(image)
        if not image or image.endswith((":", "@", "/")):
            raise WrongUse(
                f"service {self._name}: the image {self._body.get('image')!r} names nothing without its variable",
                where=self._found.compose_file, state="untouched",
                todo="give the variable a default there, ${NAME:-16}, or a value in .env.example",
            )  # fmt: skip
        return f"{name.host}/{name.repository}" + (
            f"@{name.digest}" if name.digest else f":{name.tag}"
        )

    def _arguments(self) -> None:
        build = self._body.get("build")
        unfollowed = sorted(_NOT_FOLLOWED & set(build)) if isinstance(build, Mapping) else []
        if unfollowed:
            self._to.notes.append(
                f"{self._name}: a release does not follow {', '.join(f'`build.{key}`' for key in unfollowed)}: "
                "what its Dockerfile takes from there has to come from the build's context"
            )
        for name, text in arguments_of(self._body).items():
            named = {
                p.name: self._found.example(p.name) for p in parse(text) if isinstance(p, Reference)
            }
            value = interpolate(text, {n: v for n, v in named.items() if v})
            if is_secret(name, value):
                self._to.notes.append(
                    f"{self._name}: build argument {name} looks like a secret, which would stay in the image: "
                    "give the container the value when it starts, or fetch what it opens before the build"
                )
                continue
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                self._to.notes.append(
                    f"{self._name}: build argument {name} is left out: [build] takes names in capitals; give its "
                    "ARG one in the Dockerfile"
                )
            elif not value:
                self._to.notes.append(
                    f"{self._name}: build argument {name} has no value; [build] gives one"
                )
            elif self._to.build.setdefault(name, value) != value:
                self._to.notes.append(
                    f"{self._name}: build argument {name} is another one's too, with another value; give one of them a name of its own"
                )

    def _alone(self) -> None:
        keep_names(self._known, self._to, self._name, self._body)
        if self._body.get("scale") not in (None, 1):
            self._change("scale", None, "one container of a service serves")
        deploy = self._body.get("deploy") or {}
        if "replicas" in deploy:
            rest = {k: v for k, v in deploy.items() if k != "replicas"}
            self._change("deploy", rest or None, "one container of a service serves")

    def _ports(self) -> None:
        if not self._built and _STORES.search(self._known_image()):
            if self._body.get("ports"):
                self._change("ports", None, "nobody outside needs to reach it")
            return
        ports = ports_of(self._body, self._found.examples())
        if unknown_names := unknown(self._body, self._found.examples()):
            names = ", ".join(unknown_names)
            self._to.notes.append(
                f"{self._name}: nothing gives {names} a value, so a port of it is not known and leads nowhere: give it "
                "a default there, ${NAME:-8080}, or a value in .env.example, and run init again"
            )
        if not ports:
            return
        if not self._built:
            open_to_all = ", ".join(str(p.published) for p in ports if not p.address)
            if open_to_all and not self._body.get("profiles"):
                self._to.notes.append(f"{self._name}: port {open_to_all} stays open to everybody")
            return
        first, *others = ports
        health = health_route(self._code())
        self._to.routes[self._name] = OnboardedRoute(
            first.published, first.own, health, first.address
        )
        if first.local:
            self._to.notes.append(
                f"{self._name}: port {first.published} is reached on the server alone; name the address "
                f"that people use, under [urls] as `{self._name}`, and it is checked from outside too"
            )
        if others:
            more = ", ".join(str(p.published) for p in others)
            self._to.notes.append(f"{self._name}: port {first.published} is reached from outside, and {more} is not")  # fmt: skip
        deploy = {k: v for k, v in (self._body.get("deploy") or {}).items() if k != "replicas"}
        self._change(
            "deploy", {**deploy, "update_config": {"order": "start-first"}},
            "the new container serves before the old one stops",
        )  # fmt: skip
        udp = [e for e in self._body["ports"] if port_of(e, self._found.examples()) is None]
        self._change("ports", udp or None, "the edge has the ports, and sends requests on")

    def _code(self) -> dict[str, str]:
        """Texts that its Dockerfile copies; all of its context, where that is not plain."""
        context, file, _ = build_of(self._found, self._body)
        texts = self._found.below(context)
        paths = copied(self._found.texts.get(file, ""))
        inside = tuple(posixpath.normpath(posixpath.join(context, path)) for path in paths)
        return {
            p: t
            for p, t in texts.items()
            if not inside or any(f"{p}/".startswith(f"{i}/") for i in inside)
        }
