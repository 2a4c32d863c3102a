"""What an environment should run: a published release, or one that the host remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployments.compose.env_file import parse_env
from deployments.compose.stack import Stack
from deployments.compose.variables import Configuration
from deployments.errors import Refused
from deployments.history.audit import read_subjects
from deployments.planning.adoption import stack_of_adopted
from deployments.planning.target import Target, former_configuration, former_images, lost_values
from deployments.release.adopted_record import Adoption, pins
from deployments.release.manifest import (
    Manifest,
    check_build_env,
    check_published,
    check_record,
    parse_manifest,
)
from infra.environment.compose_cli import stack_of
from infra.environment.context import Assembly
from infra.host.session import Host


@dataclass(frozen=True)
class Targets:
    """Makes targets for one environment and its host."""

    assembly: Assembly
    configuration: Configuration
    host: Host

    def published(self, manifest: Manifest, *, update_infrastructure: bool = False) -> Target:
        """The wanted state for a manifest, with the environment's own configuration."""
        environment = self.assembly.located.environment
        check_published(manifest, environment, self.assembly.stack.built())
        check_build_env(manifest, environment.build, environment.name)
        return self._target(
            manifest, self.assembly.stack, self.configuration,
            update_infrastructure=update_infrastructure,
        )  # fmt: skip

    def former(self, release: str, *, pin: bool) -> Target:
        """The wanted state of a release that the host keeps a record of.

        pin: bring its database and edge images back too, as an undo must.
        """
        return self._former(release, pin=pin)[0]

    def complete(self, release: str, *, pin: bool) -> Target:
        """The same, to be given the secrets of now; raises Refused when one of its own is gone.

        Compose would fill it with nothing. An undo needs none: the host has the secrets of before.
        """
        target, fingerprints = self._former(release, pin=pin)
        lost = [] if target.adopted else lost_values(target, fingerprints)
        if not lost:
            return target
        located = self.assembly.located
        raise Refused(
            f"release {release} needs {', '.join(lost)}, and environment "
            f"{located.environment.name} has no value for it any more",
            where=self.host.environment.ssh, state="unchanged",
            todo=f"in {located.file}, add it to `names` of [secrets] and to `unused`, since the "
            "Compose file of now may use it nowhere, and give its value; or choose another release: "
            f"homeguru history --env {located.environment.name} shows them",
        )  # fmt: skip

    def _former(self, release: str, *, pin: bool) -> tuple[Target, str]:
        """The target, and the fingerprints of the secrets that it had."""
        folder = f"releases/{release}"
        names = [f"{folder}/{n}" for n in ("manifest.json", "compose.yml", "variables.env")]
        fingerprints, plan = f"{folder}/secrets.fingerprints", f"{folder}/plan.json"
        files = self.host.files([*names, fingerprints, plan])
        if not files.keys() >= set(names):
            raise Refused(
                f"the host keeps no record of release {release}", where=self.host.environment.ssh,
                state="unchanged", todo="deploy a published release instead",
            )  # fmt: skip
        check_record(parse_manifest(files[names[0]], names[0]), release, self.host.environment.ssh)
        target = self.recorded(*(files[name] for name in names), pin=pin)
        if subject := read_subjects({plan: files.get(plan, "")}).get(target.manifest.name):
            # The way back writes that file anew.
            target = replace(target, manifest=target.manifest.described(subject))
        return target, files.get(fingerprints, "")

    def recorded(self, manifest: str, compose: str, env: str, *, pin: bool) -> Target:
        """The wanted state of a release, from the three texts that the host keeps of it."""
        parsed = parse_manifest(manifest, "manifest.json")
        if parsed.adopted:
            return self._adopted(parsed, parsed.adopted, compose, env)
        stack = stack_of(compose, "compose.yml")
        edge = None if pin else self.host.environment.edge.variables
        configuration = former_configuration(env, stack, self.configuration, edge)
        if pin:
            # As it was: what the environment leaves out today is no matter of a way back.
            deployed = stack.as_recorded(parse_env(env))
            return self._target(parsed, deployed, configuration, pins=former_images(env, deployed))
        deployed = stack.chosen(self.host.environment.services)
        return self._target(parsed, deployed, configuration)

    def _adopted(self, manifest: Manifest, adoption: Adoption, compose: str, env: str) -> Target:
        """Release 0. Its variables are those of now where the file is not one of ours."""
        if not adoption.ours:
            stack, configuration = stack_of_adopted(adoption, compose), self.configuration
        else:
            stack = stack_of(compose, "compose.yml")
            configuration = former_configuration(env, stack, self.configuration)
            # What did not run then is none of its services now.
            stack = stack.without({s.name for s in stack.ordered} - adoption.services.keys())
        return self._target(manifest, stack, configuration, pins=pins(adoption))

    def nothing(self) -> Target:
        """What ran before the first release."""
        return self._target(Manifest.nothing(), self.assembly.stack, self.configuration)

    def _target(
        self, manifest: Manifest, stack: Stack, configuration: Configuration, *,
        update_infrastructure: bool = False, pins: dict[str, str] | None = None,
    ) -> Target:  # fmt: skip
        base = self.assembly.located.edge_base.read_text()
        deployed = stack.called_for(configuration.variables)
        return Target(
            self.host.environment, manifest, deployed, configuration, base,
            update_infrastructure, pins or {},
        )  # fmt: skip
