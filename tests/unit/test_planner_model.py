"""From any state that a host can be in, carrying a plan out on a model reaches the release.

The model knows what each step's name promises, not how the planner came to it. Afterwards a
second plan is empty: nothing is done twice, and nothing is left undone.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.compose.env_file import render_env
from deployments.history.ledger import Revision
from deployments.host import edge
from deployments.host.containers import Container
from deployments.host.observation import Observation
from deployments.planning.plan import Plan
from deployments.planning.planner import Planner
from deployments.planning.target import Target
from deployments.release.adopted_record import RELEASE

SERVICES = ("postgres", "edge", "api", "frontend", "bot")
HEAD = "0002"

IMAGES = st.sampled_from(["1", "2", "elsewhere"])
STATES = st.sampled_from([("running", "healthy"), ("exited", ""), ("running", "unhealthy")])
HASHES = st.sampled_from(["right", "wrong"])
CONTAINERS = st.lists(st.tuples(IMAGES, STATES, HASHES), max_size=3)

HOSTS = st.fixed_dictionaries({
    "containers": st.fixed_dictionaries(dict.fromkeys(SERVICES, CONTAINERS)),
    "orphans": st.lists(st.sampled_from(["nginx", "worker"]), unique=True),
    "revision": st.sampled_from([None, "0001", HEAD]),
    "compose": st.booleans(), "env": st.booleans(), "edge": st.sampled_from(["none", "old", "same"]),
    "current": st.sampled_from([None, "released", "adopted", "other"]),
    "published": st.sampled_from(["edge", "api", "nginx", "nobody"]),
    "memory": st.sampled_from([50, 4000]),
})  # fmt: skip


def host(world, drawn, target: Target) -> Observation:
    """The drawn host. What is `right` is what the target would have."""
    images = target.images(world.bare)
    containers = []
    for service, rows in drawn["containers"].items():
        for number, (image, (state, health), config) in enumerate(rows, start=1):
            reference = (
                images[service] if image == "2" else f"ghcr.io/acme/{service}@{world.digest(image)}"
            )
            # No container of ours but the edge publishes a port.
            right = config == "right" and (drawn["published"] != service or service == "edge")
            containers.append(world.container(
                service, reference, id=f"{service}-{number}", name=f"homeguru-{service}-{number}",
                state=state, health=health, image=f"sha256:{service}-{image}",
                config_hash=f"hash-of-{service}" if right else "another",
            ))  # fmt: skip
    containers += [
        world.container(name, f"{name}:1", id=name, name=name) for name in drawn["orphans"]
    ]
    known = {c.service: c.name for c in containers}
    holder = known.get(drawn["published"], "")
    current = {None: None, "released": f"1-{target.manifest.name}", "adopted": RELEASE,
               "other": "1-prod-sha-ffffffffffff"}[drawn["current"]]  # fmt: skip
    configs = {"none": "", "old": "global\n", "same": target.edge_config(world.bare)}
    return replace(
        world.bare, containers=tuple(containers), revision=drawn["revision"],
        compose_file=target.stack.text if drawn["compose"] else "services: {}\n",
        env=render_env(target.env(world.bare)) if drawn["env"] else "A='b'\n",
        edge=configs[drawn["edge"]], current=current, memory_mb=drawn["memory"],
        published={8003: holder, 3003: holder} if holder else {}, database_bytes=1,
        ledger=world.ledger(world.line(1, revision=Revision(before="0001", after=HEAD))),
    )  # fmt: skip


class Model:
    """What each step does to a host, by its name."""

    def __init__(self, seen: Observation, planner: Planner) -> None:
        self.seen, self.target, self.candidate = seen, planner.target, planner.candidate

    def carry_out(self, plan: Plan) -> Observation:
        for step in plan.steps:
            verb, _, rest = step.name.partition(" ")
            getattr(self, f"_{verb}")(rest)
        self.seen = replace(self.seen, current=plan.release)
        return self.seen

    def _upload(self, _: str) -> None:
        target = self.target
        self.seen = replace(
            self.seen, compose_file=target.stack.text, env=render_env(target.env_now(self.seen)),
            edge=target.edge_config(self.seen),
        )  # fmt: skip

    def _remove(self, service: str) -> None:
        self._set(service, [])

    def _start(self, service: str) -> None:
        if service == "new containers":
            # Nobody is sent to one: the step of its service does that.
            return
        self._set(service, [self._wanted(service)])
        self._enter(service)

    def _enter(self, service: str) -> None:
        """Its container gets a slot of the edge, which is idle as the model has no draining."""
        part = self.target.stack.deploy.edge
        if service in part.routes:
            slots = {**edge.read_slots(self.seen.edge)}
            slots[service] = (self.seen.of(service)[0].name, edge.IDLE)
            config = edge.render(self.target.edge_base, part, slots)
            self.seen = replace(self.seen, edge=config)

    _recreate = _start

    def _drain(self, _: str) -> None:
        """The model has one container of a service at a time."""

    def _replace(self, rest: str) -> None:
        self._start(rest)

    def _prepare(self, rest: str) -> None:
        if rest != "roles":
            old = list(self.seen.of(rest))
            self._set(rest, [*old, self._wanted(rest, number=9)])

    def _hand(self, _: str) -> None:
        for service in ("api", "frontend"):
            self._set(service, [c for c in self.seen.of(service) if c.id.endswith("-9")])
            self._enter(service)
        # Whoever held a port does not, and is not there any more.
        holders = set(self.seen.published.values())
        left = tuple(
            c for c in self.seen.containers if c.name not in holders or c.id.endswith("-9")
        )
        self.seen = replace(self.seen, containers=left, published={})
        self._start("edge")

    def _free(self, _: str) -> None:
        holders = set(self.seen.published.values())
        left = tuple(
            replace(c, state="exited") if c.name in holders else c for c in self.seen.containers
        )
        self.seen = replace(self.seen, containers=left, published={})

    def _migrate(self, _: str) -> None:
        self.seen = replace(self.seen, revision=HEAD)

    def _nothing(self, _: str) -> None:
        """Pulled, verified, backed up, reloaded: nothing that an observation shows."""

    _pull = _verify = _back = _reload = _nothing

    def _wanted(self, service: str, number: int = 1) -> Container:
        reference = self.target.images(self.seen)[service]
        return Container(
            id=f"{service}-{number}", name=f"homeguru-{service}-{number}", service=service,
            one_off=False, image="", ref=reference, state="running", health="healthy", restarts=0,
            started="", config_hash=self.candidate.hashes[service], digests=(reference,),
        )  # fmt: skip

    def _set(self, service: str, containers: list[Container]) -> None:
        others = tuple(c for c in self.seen.containers if c.service != service)
        env = render_env(
            {**self.target.env_now(replace(self.seen, containers=(*others, *containers)))}
        )
        self.seen = replace(self.seen, containers=(*others, *containers), env=env)


@settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(drawn=HOSTS)
def test_a_plan_reaches_its_release_and_then_there_is_none(world, drawn) -> None:
    target = world.target(api="api-2", bot="bot-2")
    seen = host(world, drawn, target)
    planner = world.planner(target, seen)
    reached = Model(seen, planner).carry_out(planner.plan())
    for service, reference in target.images(reached).items():
        (container,) = reached.of(service)
        assert container.ref == reference and container.serving
    assert {c.service for c in reached.containers} == set(SERVICES)
    assert reached.revision == HEAD
    assert edge.read_slots(reached.edge) == {
        name: (reached.of(name)[0].name, edge.IDLE) for name in ("api", "frontend")
    }
    again = world.planner(target, reached).plan()
    assert again.steps == (), [s.name for s in again.steps]
