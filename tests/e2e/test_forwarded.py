"""Who a client is, as the edge tells the service behind it: a real HAProxy with the file that a deploy writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from deployments.compose.extension import EdgeService
from deployments.host.edge import IDLE, render
from infra.engine.client import docker
from infra.engine.images import HAPROXY, PYTHON, ensure_images
from tests.e2e.conftest import ROOT, say

pytestmark = [pytest.mark.e2e, pytest.mark.security]
Headers = list[tuple[str, str]]
EDGE = {
    "service": "edge", "config": "edge/haproxy.cfg",
    "routes": {"api": {"listen": 8003, "tls_listen": 18003, "port": 8000}},
}  # fmt: skip
SPOOFED = [
    ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2"),
    ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "bank.example"),
]  # fmt: skip
OTHERS = [
    ("Forwarded", "for=198.51.100.1;proto=https"), ("X-Real-IP", "198.51.100.1"),
    ("X-Forwarded-Port", "443"), ("X-Forwarded-Format", "x"), ("X_Forwarded_For", "198.51.100.1"),
    ("X_Real_Ip", "198.51.100.1"),
]  # fmt: skip
ECHO = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
http.server.HTTPServer(("127.0.0.1", 8000), Echo).serve_forever()
"""


@pytest.fixture(scope="module", params=[(), ("0.0.0.0/0",)], ids=["nobody", "everybody"])
def edge(
    engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[str, bool]]:
    """The address of an edge before a service that tells its headers; whether everybody is believed."""
    ensure_images([HAPROXY, PYTHON], say)
    folder = tmp_path_factory.mktemp("edge")
    base = (ROOT / "docker" / "edge" / "haproxy.cfg").read_text()
    slots = {"api": ("127.0.0.1", IDLE)}
    config = render(base, EdgeService.model_validate(EDGE), slots, proxies=request.param)
    (folder / "haproxy.cfg").write_text(config)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    name = f"hgtest-forwarded-{folder.name}-{len(request.param)}"
    mount = f"{folder}:/usr/local/etc/haproxy:ro"
    try:
        docker("run", "-d", "--name", name, "-v", mount, "--read-only", HAPROXY)
        docker("run", "-d", "--name", f"{name}-echo", "--network", f"container:{name}", PYTHON,
               "python", "-c", ECHO)  # fmt: skip
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).strip()
        deadline = time.monotonic() + 30
        while _status(address) != 200:
            assert time.monotonic() < deadline, docker("logs", name)
            time.sleep(0.2)
        yield address, bool(request.param)
    finally:
        docker("rm", "-f", name, f"{name}-echo")


def _status(address: str) -> int:
    try:
        return httpx.get(f"http://{address}:8003", trust_env=False).status_code
    except httpx.TransportError:
        return 0


def said(address: str, port: int, headers: Headers) -> dict[str, list[str]]:
    """What the service hears, of the headers that tell of a client."""
    url = f"http://{address}:{port}/"
    answer = httpx.get(url, headers=headers, trust_env=False)
    found: dict[str, list[str]] = {}
    for name, value in answer.json():
        if "forwarded" in name.lower() or "real" in name.lower():
            found.setdefault(name.lower(), []).append(value)
    return found


def test_what_a_client_says_of_itself_is_dropped(edge: tuple[str, bool]) -> None:
    address, believed = edge
    heard = said(address, 8003, [*SPOOFED, *OTHERS])
    if believed:
        assert heard == _as_sent()
        return
    (client,) = heard.pop("x-forwarded-for")
    assert not client.startswith("198.51.100.")
    assert heard == {"x-forwarded-proto": ["http"], "x-forwarded-host": [f"{address}:8003"]}


def test_what_terminates_tls_says_is_kept_and_nothing_that_came_with_it(
    edge: tuple[str, bool],
) -> None:
    assert said(edge[0], 18003, [*SPOOFED, *OTHERS]) == _as_sent()


def test_where_a_proxy_says_nothing_the_edge_does(edge: tuple[str, bool]) -> None:
    heard = said(edge[0], 18003, [])
    assert len(heard.pop("x-forwarded-for")) == 1
    assert heard == {"x-forwarded-proto": ["http"], "x-forwarded-host": [f"{edge[0]}:18003"]}


def _as_sent() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in SPOOFED:
        found.setdefault(name.lower(), []).append(value)
    return found
