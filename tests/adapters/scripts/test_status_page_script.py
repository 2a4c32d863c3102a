"""The status page for the edge: written for its next start, and set in the one that runs."""

from __future__ import annotations

import base64

import pytest

from deployments.shell.files import install
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, join
from deployments.shell.status_page import renew_page

HTML = '<p class="a">Привет, it\'s $(date)</p>'
PAGE = base64.b64encode(HTML.encode()).decode()
MAP = "/etc/status.map"
DOCKER = """
case "$1" in
  ps) echo e1 ;;
  exec) printf '%s\\n' "${@: -1}" >> asked
    case "${@: -1}" in "set map"*) cat says ;; *) echo ;; esac ;;
esac
"""


@pytest.fixture
def host(shell):
    """A host whose edge answers a page's change with what `says` holds."""
    shell.program("docker", DOCKER)
    shell.write("edge/status.map", "")
    shell.write("says", "\n")
    script = renew_page("edge", MAP, HTML)
    shell.renew = lambda: shell.run(Script(join(prelude(shell.environment), script.text)))
    return shell


@pytest.mark.parametrize(
    ("says", "asked"), [("\n", ["set"]), ("entry not found.\n\n", ["set", "add"])]
)
def test_the_page_is_in_the_file_and_in_the_edge(host, says: str, asked: list[str]) -> None:
    host.write("says", says)
    done = host.renew()
    assert (done.returncode, done.stderr) == (0, "")
    assert host.read("edge/status.map") == f"page {PAGE}\n"
    assert host.read("asked").splitlines() == [f"{word} map {MAP} page {PAGE}" for word in asked]
    assert base64.b64decode(PAGE).decode() == HTML
    # The edge reads it as another user.
    assert (host.directory / "edge/status.map").stat().st_mode & 0o777 == 0o644


def test_an_edge_that_knows_no_such_map_is_an_error(host) -> None:
    host.write("says", "Unknown map identifier. Please use #<id> or <file>.\n")
    done = host.renew()
    assert done.returncode == 20
    assert done.stderr.startswith("the edge does not take the status page: Unknown map identifier")


def test_a_release_brings_the_file_that_its_configuration_names(shell) -> None:
    for name in ("manifest.json", "compose.yml", "plan.json", ".env", ".env.now", "secrets.env"):
        shell.write(f"in/{name}", "x")
    text = join(prelude(shell.environment), install("in", "1-x", "edge").text)
    assert shell.run(text).returncode == 0
    assert shell.read("edge/status.map") == ""
    shell.write("edge/status.map", "page eA==\n")
    assert shell.run(text).returncode == 0
    assert shell.read("edge/status.map") == "page eA==\n"
    assert (shell.directory / "edge/status.map").stat().st_mode & 0o777 == 0o644
