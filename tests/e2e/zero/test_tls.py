"""HTTPS by a domain: certificates from an authority that speaks ACME, and no release that touches it."""

from __future__ import annotations

import http.client
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra.engine.client import docker
from infra.engine.images import CADDY, ensure_images
from tests.e2e.conftest import ROOT, World, address_of, say, world_of_its_own
from tests.e2e.zero.authority import Authority, authority

pytestmark = [pytest.mark.e2e, pytest.mark.zero]
DOMAIN = "homeguru.sandbox.test"
NOBODY = {"PREFECT_API_URL": ""}


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    ensure_images([CADDY], say)
    with world_of_its_own("tls", folder, "") as found:
        there = f"{found.info.registry}/library/{CADDY}"
        docker("tag", CADDY, there)
        docker("push", "-q", there)
        docker("image", "rm", there)
        yield found


@pytest.fixture(scope="module")
def address(world: World) -> str:
    return address_of(world.info.server)


@pytest.fixture(scope="module")
def issuer(world: World, address: str) -> Iterator[Authority]:
    names = dict.fromkeys((DOMAIN, f"api.{DOMAIN}"), address)
    with authority(world.info.project, names) as found:
        yield found


@dataclass
class Person:
    """Somebody who opens the names in a browser that trusts the authority."""

    address: str
    issuer: Authority

    def get(self, name: str, path: str = "/", scheme: str = "https") -> httpx.Response:
        with httpx.Client(verify=self.issuer.trusted, http2=True, trust_env=False) as client:
            return client.get(
                f"{scheme}://{self.address}{path}", headers={"Host": name},
                extensions={"sni_hostname": name},
            )  # fmt: skip


@pytest.fixture(scope="module")
def person(address: str, issuer: Authority) -> Person:
    return Person(address, issuer)


def deploy(world: World) -> dict:
    return world.ok("deploy", world.publish(), "--env", "sandbox", **NOBODY)


def test_without_a_domain_there_is_none(world: World) -> None:
    deploy(world)
    assert set(world.containers()) == {"postgres", "edge", "api", "frontend", "bot"}


def test_with_a_domain_both_names_answer_over_https(
    world: World, issuer: Authority, person: Person
) -> None:
    before = world.containers()
    folder = world.environments.parent / "docker"
    shutil.copytree(ROOT / "docker", folder)
    compose = folder / "docker-compose.prod.yml"
    # The authority's own address has a certificate that nobody knows but this test.
    text = compose.read_text().replace(
        "acme_ca ", "acme_ca_root /acme/acme.pem\n          acme_ca "
    )
    # A folder of the server's own: one beside the Compose file would not reach it.
    place = world.on_server("pwd").strip()
    text = text.replace("- tls-data:/data", f"- tls-data:/data\n      - {place}/edge:/acme:ro")
    compose.write_text(text)
    world.on_server(
        f"cat > edge/acme.pem <<'END'\n{issuer.own_certificate}END\nchmod 644 edge/acme.pem"
    )
    file = world.environments / "sandbox.toml"
    file.write_text(
        file.read_text()
        .replace("[host]", 'compose = "../docker/docker-compose.prod.yml"\n\n[host]', 1)
        .replace("[images]", f'[images]\ntls = "localhost:5000/library/{CADDY}"')
        + f'\n[edge]\ndomain = "{DOMAIN}"\nacme = "{issuer.directory}"\n'
    )
    found = deploy(world)
    assert "start tls" in [s["step"] for s in found["steps"]]
    assert {s: i for s, i in world.containers().items() if s != "tls"} == before
    deadline = time.monotonic() + 60
    while True:
        try:
            page = person.get(DOMAIN)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, world.on_server(
                "docker logs --tail 20 homeguru-tls-1 2>&1"
            )
            time.sleep(0.5)
    assert (page.status_code, page.http_version) == (200, "HTTP/2")
    assert "HomeGuru" in page.text
    assert person.get(f"api.{DOMAIN}").json()["version"] == "v1"
    assert httpx.get(world.info.api_url, trust_env=False).json()["version"] == "v1"
    assert httpx.get(world.info.frontend_url, trust_env=False).status_code == 200


def test_plain_http_leads_to_https(person: Person) -> None:
    found = person.get(DOMAIN, "/rooms", scheme="http")
    assert (found.status_code, found.headers["location"]) == (308, f"https://{DOMAIN}/rooms")


def test_a_request_has_an_id_and_the_edge_counts_it(world: World, person: Person) -> None:
    person.get(f"api.{DOMAIN}", "/config")
    line = [x for x in world.on_server("docker logs --tail 50 homeguru-edge-1 2>&1").splitlines()
            if "GET /config" in x][-1]  # fmt: skip
    assert line.split('"')[0].split()[-1].count("_") >= 3, line
    counted = world.on_server(
        'docker exec homeguru-api-1 python -c "import urllib.request as r; '
        "print(r.urlopen('http://edge:8405/metrics').read().decode())\" | grep requests_total"
    )
    assert 'proxy="fe_api"' in counted
    place = httpx.URL(world.info.api_url)
    talk = http.client.HTTPConnection(place.host, place.port, timeout=10)
    talk.request("POST", "/photos", headers={"Content-Length": "100000001"})
    assert talk.getresponse().status == 413


def test_a_rollback_to_before_the_domain_keeps_it(world: World, person: Person) -> None:
    last = world.ledger()[-1]["release"].partition("-")[2]
    world.ok("rollback", "1", "--env", "sandbox", **NOBODY)
    assert "tls" in world.containers()
    assert "HomeGuru" in person.get(DOMAIN).text
    world.ok("deploy", last, "--env", "sandbox", **NOBODY)


def test_a_release_leaves_it_alone_and_nobody_notices(world: World, person: Person) -> None:
    before = world.containers()["tls"]
    world.rename("v2")
    name = world.publish()
    stop, failed, asked = threading.Event(), [], []

    def ask() -> None:
        with httpx.Client(verify=person.issuer.trusted, http2=True, trust_env=False) as client:
            while not stop.wait(0.05):
                host = f"api.{DOMAIN}"
                try:
                    answer = client.get(f"https://{person.address}/", headers={"Host": host},
                                        extensions={"sni_hostname": host})  # fmt: skip
                    asked.append(answer.json()["version"])
                except (httpx.HTTPError, ValueError) as error:
                    failed.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    world.ok("deploy", name, "--env", "sandbox", **NOBODY)
    stop.set()
    thread.join()
    assert failed == []
    assert set(asked) == {"v1", "v2"}
    assert world.containers()["tls"] == before
    say(f"{len(asked)} requests over HTTPS, 0 failed")


def test_its_own_ports_are_closed_to_all_but_the_server_itself(
    world: World, person: Person
) -> None:
    file = world.environments / "sandbox.toml"
    # Verification asks at those ports from outside.
    skipped = '\n[verify]\nskip = { api = ["outside"], frontend = ["outside"] }\n'
    file.write_text(f'{file.read_text()}listen = "127.0.0.1"\n{skipped}')
    assert httpx.get(world.info.api_url, trust_env=False).status_code == 200
    deploy(world)
    with pytest.raises(httpx.TransportError):
        httpx.get(world.info.api_url, trust_env=False)
    on_server = world.on_server("exec 3<>/dev/tcp/127.0.0.1/8003; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3")  # fmt: skip
    assert '"version":"v2"' in on_server
    assert person.get(f"api.{DOMAIN}").json()["version"] == "v2"


def test_without_the_domain_it_goes(world: World) -> None:
    file = world.environments / "sandbox.toml"
    file.write_text(file.read_text().partition("\n[edge]\n")[0] + "\n")
    found = deploy(world)
    assert "remove tls" in [s["step"] for s in found["steps"]]
    assert "tls" not in world.containers()


def test_volumes_that_other_users_wrote_are_given_to_those_who_run_now(
    world: World, person: Person
) -> None:
    """Certificates that root wrote, and a database of an image whose user has another number."""
    file, compose = world.environments / "sandbox.toml", _compose(world)
    image = world.on_server("docker inspect -f '{{.Config.Image}}' homeguru-postgres-1").strip()
    own = "docker run --rm -u 0 --entrypoint chown -v homeguru_{}:/v {} -R {} /v"
    world.on_server(
        f"{own.format('tls-data', image, '0:0')} && {own.format('postgres-data', image, '70:70')}"
    )
    text = compose.read_text().replace("user: postgres\n", "user: postgres\n    init: true\n")
    compose.write_text(text)
    file.write_text(
        f'{file.read_text()}\n[edge]\ndomain = "{DOMAIN}"\nacme = "{person.issuer.directory}"\n'
    )
    compose.write_text(text.replace('user: "10001:10001"', 'user: "10001:nosuch"'))
    refused = world.homeguru("deploy", world.publish(), "--env", "sandbox", **NOBODY)
    assert (refused.code, "invalid group" in refused.stderr) == (1, True), refused.stderr
    compose.write_text(text)
    steps = [s["step"] for s in deploy(world)["steps"]]
    assert {"recreate postgres", "start tls"} <= {*steps}
    assert person.get(f"api.{DOMAIN}").json()["version"] == "v2"
    users = [world.on_server(f"docker inspect -f '{{{{.Config.User}}}}' homeguru-{s}-1").strip()
             for s in ("postgres", "tls")]  # fmt: skip
    assert users == ["postgres", "10001:10001"]
    kept = own.replace("chown", "stat").replace("-R {} ", "-c %u ")
    owners = [world.on_server(kept.format(v, image)).strip() for v in ("postgres-data", "tls-data")]
    assert owners == ["999", "10001"]


def _compose(world: World) -> Path:
    return world.environments.parent / "docker" / "docker-compose.prod.yml"
