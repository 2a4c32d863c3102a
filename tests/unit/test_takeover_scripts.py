"""Going over from what was deployed by hand, and back, by a real bash with a stand-in for docker."""

from __future__ import annotations

import pytest

from deployments.adopted import AdoptedService, Adoption
from deployments.commands import adopt, takeover
from deployments.commands.prelude import prelude
from deployments.commands.replace import Replacement
from deployments.xdeploy import Deploy

IMAGE = f"sha256:{'a' * 64}"
EDGE = Replacement("edge", "EDGE_IMAGE", "haproxy:3.0", "h", False, 1, 3)


def test_release_0_gets_services_back_that_were_started_with_a_profile(shell):
    """Compose leaves one of a profile out, unless it is named."""
    program = (
        'echo "$*" >> docker.log\n'
        'case "$1 $2" in "ps -aq") echo c1 ;; "inspect -f") echo running 0 healthy ;; esac'
    )
    shell.program("docker", program)
    service = AdoptedService(image=IMAGE, digest=IMAGE, reference="acme/x:1", config_hash="h")
    adoption = Adoption(
        directory="/srv/hand", files=("/srv/hand/docker-compose.yml",), env_files=(),
        services={"api": service, "bot": service}, deploy=Deploy(v=1), ours=False,
    )  # fmt: skip
    done = shell.run(prelude(shell.environment) + adopt.start_again(adoption, 1).text)
    assert done.returncode == 0, done.stderr
    (line,) = [x for x in shell.read("docker.log").splitlines() if " up " in x]
    assert line.endswith("up -d --no-build --pull never --remove-orphans api bot")


@pytest.mark.parametrize(
    ("bound", "asked"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.5", "10.0.0.5"),
     ("fd00::1", "fd00::1")],
)  # fmt: skip
def test_the_edge_is_asked_where_it_publishes(shell, bound, asked):
    shell.program("docker", f"echo '3003 127.0.0.2'; echo '8003 {bound}'; echo '8003 {bound}'")
    body, _, _ = takeover.hand_over(EDGE, [], []).text.partition("declare healthy=")
    done = shell.run(prelude(shell.environment) + body + "edge=c1\naddress_of 8003\n")
    assert done.stdout == f"{asked}\n", done.stderr


def test_a_port_that_never_answered_is_not_said_to_have_answered(shell):
    body, _, _ = takeover.hand_over(EDGE, [], []).text.partition("declare healthy=")
    calls = "touch .handing-over; (sleep 0.3; rm .handing-over) & longest_silence 9 / 127.0.0.1\n"
    done = shell.run(prelude(shell.environment) + body + calls)
    assert done.stdout == "port 9 of 127.0.0.1 did not answer at all\n", done.stderr
