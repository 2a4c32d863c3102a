"""A server whose engine is the deploying user's own and not root's: Docker's rootless mode.

Whoever has the deploy key has then what that user has. doc/guides/security.md says what it costs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from infra.engine.client import docker
from tests.e2e.conftest import World, address_of, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.zero]
NOBODY = {"PREFECT_API_URL": ""}
SOCKET = "unix:///run/user/1000/docker.sock"
ENGINE = f"""
set -eu
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends rootlesskit uidmap slirp4netns iproute2 >/dev/null
gpasswd -d systech docker >/dev/null
# A container's own: a machine has both, and its service manager makes the first.
install -d -o systech -g systech -m 700 /run/user/1000 /var/lib/docker/rootless
chmod 711 /var/lib/docker
chmod 666 /dev/net/tun
mount --make-rshared /
install -d -o systech -g systech /home/systech/.config /home/systech/.config/docker
cat > /home/systech/.config/docker/daemon.json
setsid setpriv --reuid systech --regid systech --clear-groups env HOME=/home/systech XDG_RUNTIME_DIR=/run/user/1000 \
  /usr/share/docker.io/contrib/dockerd-rootless.sh >/tmp/rootless.log 2>&1 </dev/null &
for _ in $(seq 100); do [ ! -S /run/user/1000/docker.sock ] || break; sleep 0.1; done
su systech -c 'docker context create rootless --docker host={SOCKET} && docker context use rootless' >/dev/null
"""


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Its registry is asked by address: an engine in a network of its own has another `localhost`."""
    with world_of_its_own("rootless", tmp_path_factory.mktemp("rootless"), "") as found:
        registry = f"{address_of(found.info.server.replace('-server', '-registry'))}:5000"
        settings = (
            f'{{"insecure-registries": ["{registry}"], "data-root": "/var/lib/docker/rootless"}}'
        )
        docker(
            "exec",
            "-i",
            found.info.server,
            "bash",
            "-c",
            ENGINE,
            data=settings.encode(),
            timeout=300,
        )
        file = found.environments / "sandbox.toml"
        file.write_text(
            file.read_text()
            .replace("localhost:5000", registry)
            .replace("tunnel_registry = true", "tunnel_registry = false")
        )
        yield found


def test_it_deploys_and_goes_back(world: World) -> None:
    first = world.publish()
    world.ok("deploy", first, "--env", "sandbox", **NOBODY)
    assert httpx.get(world.info.api_url, trust_env=False).json()["version"] == "v1"
    world.rename("v2")
    world.ok("deploy", world.publish(), "--env", "sandbox", **NOBODY)
    assert httpx.get(world.info.api_url, trust_env=False).json()["version"] == "v2"
    world.ok("rollback", "1", "--env", "sandbox", **NOBODY)
    assert httpx.get(world.info.api_url, trust_env=False).json()["version"] == "v1"
    assert world.homeguru("verify", "--env", "sandbox").code == 0


def test_who_has_the_key_is_not_root(world: World) -> None:
    """What group `docker` gives away: a container that may do everything, with the server's files."""
    assert "docker" not in world.on_server("id -nG").split()
    api = world.containers()["api"].partition(" ")[0]
    image = world.on_server(f"docker inspect -f '{{{{.Config.Image}}}}' {api}").strip()
    said = world.on_server(
        "docker run --rm --privileged --pid host -u 0 -v /:/host --entrypoint sh "
        f"{image} -c 'id -u; touch /host/usr/x; cat /host/etc/shadow' 2>&1 || true"
    )
    assert said.splitlines()[0] == "0"
    assert said.count("Permission denied") == 2, said
    user = world.on_server(f"ps -o uid= -p $(docker inspect -f '{{{{.State.Pid}}}}' {api})")
    assert int(user) >= 100000


def test_what_it_costs_is_what_the_guide_says(world: World) -> None:
    """The edge does not learn who asks, and limits need cgroup v2."""
    assert httpx.get(f"{world.info.api_url}/config?who", trust_env=False).status_code == 200
    edge = world.containers()["edge"].partition(" ")[0]
    line = [x for x in world.on_server(f"docker logs --tail 50 {edge} 2>&1").splitlines()
            if "/config?who" in x][-1]  # fmt: skip
    form = "'{{(index .IPAM.Config 0).Gateway}}'"
    gateway = world.on_server(f"docker network inspect -f {form} homeguru_default").strip()
    assert line.startswith(f"{gateway}:"), line
    info = json.loads(world.on_server("docker info --format '{{json .}}'"))
    assert "name=rootless" in " ".join(info["SecurityOptions"])
    assert (info["CgroupVersion"] == "2") is info["PidsLimit"]
