"""Adoption: what was deployed by hand becomes release 0, and nothing of it is touched.

Release 0 keeps its own Compose files; bringing it back is Compose's business. What is
checked here is that the environment speaks of the same project and of the same data.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from deployments.compose.extension import Deploy
from deployments.compose.references import image_variable
from deployments.compose.stack import Service, Stack
from deployments.environment.schema import Environment
from deployments.errors import Refused
from deployments.host.containers import Container
from deployments.host.observation import Observation
from deployments.host.survey import Survey, SurveyedContainer
from deployments.planning.existing_data import ExistingData
from deployments.planning.plan import Plan, ScriptStep
from deployments.release.adopted_record import NAME, RELEASE, AdoptedService, Adoption, pins
from deployments.shell.adopt import keep_by_hand
from deployments.verbs import traits


@dataclass(frozen=True)
class Adopting:
    """Checks one survey for one environment."""

    environment: Environment
    stack: Stack
    seen: Observation
    survey: Survey

    def adoption(self) -> Adoption:
        """What was found as a release; raises Refused with everything that forbids it."""
        self._must_be_new()
        problems = [*self._containers(), *self._data.problems(self._running)]
        if problems:
            raise self._refused(
                "; ".join(what for what, _ in problems),
                "; ".join(dict.fromkeys(todo for _, todo in problems)),
            )
        if needs := self._data.needs():
            differences = "; ".join(what for _, _, what in needs)
            lines = "; ".join(f'{name} = "{value}"' for name, value, _ in needs)
            raise self._refused(
                f"environment {self.environment.name} speaks of another database than runs: {differences}",
                f"write under [variables] of {self.environment.name}.toml: {lines}",
            )
        first = self.survey.containers[0]
        return Adoption(
            directory=first.directory, files=first.files, env_files=first.env_files,
            services={name: _service(c) for name, c in self._running.items()},
            deploy=self.stack.deploy if self.survey.same_file else self._deploy(),
            ours=self.survey.same_file,
            once=tuple(sorted({c.service for c in self.seen.containers} - self._running.keys())),
        )  # fmt: skip

    def notes(self) -> list[str]:
        """What the first deploy will do to what was found, and what nobody can promise."""
        running, wanted = set(self._running), {s.name for s in self.stack.ordered}
        general = [
            f"{n} is not in the Compose file: the first deploy removes it"
            for n in sorted(running - wanted)
        ]
        moved = [
            f"port {port} moves from {name} to the edge at the first deploy"
            for port, holder in sorted(self.seen.published.items())
            for name, c in self._running.items()
            if c.name == holder and self.stack.deploy.edge and name in self.stack.deploy.edge.routes
        ]
        recreated = self.survey.made_anew
        changed = [
            f"{name}: Compose would make its container anew from the files as they are now, so a way "
            "back to release 0 gives what the files say"
            for name, container in self.unlike.items()
            if recreated is None or container in recreated
        ]
        if not self.survey.hashes:
            changed = [
                f"Compose cannot read {', '.join(self.survey.containers[0].files)} any more: "
                "there will be no way back to release 0"
            ]
        return [*general, *moved, *changed]

    @property
    def unlike(self) -> dict[str, str]:
        """Service to its container, where Compose's hash of the files is not the container's.

        That alone does not say that they changed: `shell.adopt.compare` does.
        """
        return {
            name: c.name for name, c in self._running.items()
            if self.survey.hashes.get(name, c.config_hash) != c.config_hash
        }  # fmt: skip

    @property
    def _data(self) -> ExistingData:
        return ExistingData(self.environment, self.stack, self.survey)

    @property
    def _running(self) -> dict[str, Container]:
        """Service to its container, without what ran once and ended well."""
        once = {c.service for c in self.survey.containers if self._ended_well(c)}
        return {c.service: c for c in self.seen.long_running if c.service not in once}

    def _ended_well(self, service: SurveyedContainer) -> bool:
        states = {c.state for c in self.seen.of(service.service)}
        return states == {"exited"} and service.exit_code == 0

    def _must_be_new(self) -> None:
        if self.seen.current is not None or self.seen.unfinished:
            release = self.seen.current or self.seen.unfinished[0].release
            raise self._refused(
                f"release {release} is recorded here already: there is nothing to adopt",
                f"homeguru status --env {self.environment.name}",
            )

    def _containers(self) -> list[tuple[str, str]]:
        project = self.environment.project
        if not self._running:
            others = ", ".join(p for p in self.survey.projects if p != project)
            todo = (
                f"its projects are {others}: write the right one as `project`"
                if others
                else (f"nothing runs there: homeguru deploy newest --env {self.environment.name}")
            )
            return [(f"no container of Compose project {project} runs here", todo)]
        problems = []
        if len({(c.directory, c.files) for c in self.survey.containers}) > 1:
            problems.append(
                (
                    "its containers were started from several directories or Compose files",
                    f"start them from one: docker compose -p {project} up -d --force-recreate there; first "
                    "compare their mounts (docker inspect), for relative paths mean other folders there",
                )
            )
        for name, container in self._running.items():
            if len(self.seen.of(name)) > 1:
                problems.append(
                    (
                        f"{name} has {len(self.seen.of(name))} containers",
                        f"docker compose -p {project} up -d --no-recreate --scale {name}=1, in its folder",
                    )
                )
            elif not container.serving:
                state = container.health if container.state == "running" else container.state
                problems.append(
                    (
                        f"{name} is {state}",
                        f"docker logs {container.name} says why; docker start {container.name}; one that "
                        f"nobody needs and that holds no data of its own: docker rm {container.name}",
                    )
                )
        return problems

    def _deploy(self) -> Deploy:
        """`x-deploy` of a file that has none: nothing is built, and nothing migrates."""
        ours = self.stack.deploy
        return Deploy(
            v=1, infrastructure={n: c.ref for n, c in self._running.items()},
            database=ours.database,
            probes={n: p for n, p in ours.probes.items() if n in self._running},
        )  # fmt: skip

    def _refused(self, what: str, todo: str) -> Refused:
        return Refused(what, where=self.environment.ssh, state="untouched", todo=todo)


def by_hand(seen: Observation, directory: str) -> list[str]:
    """Services that somebody else than a deploy of ours started, where no release is recorded.

    What a first deploy left that could not be undone is ours: its Compose file, and images by digest.
    """
    if seen.current is not None:
        return []
    deployed = any(not traits(line.verb).adopts for line in seen.ledger.lines)
    file = posixpath.normpath(f"{directory}/compose.yml")
    ours = {
        c.service for c in seen.long_running
        if deployed and c.compose_file == file and "@sha256:" in c.ref
    }  # fmt: skip
    return sorted({c.service for c in seen.long_running} - ours)


def stack_of_adopted(adoption: Adoption, text: str) -> Stack:
    """The stack of release 0, whose Compose file was not written for us.

    What uses the database is not known, so everything else counts as its user.
    """
    deploy = adoption.deploy
    passwords = frozenset(
        {deploy.database.owner.password, deploy.database.application.password}
        if deploy.database
        else ()
    )
    services = {
        name: Service(
            name,
            image_variable(name),
            start_first=False,
            reservation_mb=0,
            overrides_command=True,
            one_off=False,
            stop_grace=30,
        )
        for name in adoption.services
    }
    return Stack(
        text=text, services=services, deploy=deploy, references={},
        uses=dict.fromkeys(services, passwords), ports=(), in_urls=frozenset(),
    )  # fmt: skip


def plan_of_adoption(adoption: Adoption, incoming: str, notes: list[str]) -> Plan:
    """Files and images are kept; nothing that runs is touched."""
    contents = f"files of {adoption.directory}, images of {', '.join(adoption.services)}"
    script = keep_by_hand(incoming, adoption)
    step = ScriptStep("keep", f"{contents}; no container is touched", script=script)
    images = tuple(pins(adoption).items())
    before = tuple((name, s.digest) for name, s in adoption.services.items())
    return Plan(
        "adopt", RELEASE, NAME, None, (step,), notes=tuple(notes), images=images, before=before,
        incoming=incoming,
    )  # fmt: skip


def _service(container: Container) -> AdoptedService:
    return AdoptedService(
        image=container.image, reference=container.ref, digest=container.digest,
        config_hash=container.config_hash,
    )  # fmt: skip
