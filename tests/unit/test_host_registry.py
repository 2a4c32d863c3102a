"""The registry on the server itself: started by a script, pruned with the releases."""

from __future__ import annotations

from deployments.shell import host_registry


def test_it_is_the_environments_own_and_answers_on_the_loopback(make_environment) -> None:
    environment = make_environment(push_registry="host", pull_registry="localhost:5001")
    script = host_registry.keep(environment, 5001)
    assert script.text.splitlines()[-2:] == [
        f"project={environment.project}", "keep_registry docker.io/library/registry:2 5001",
    ]  # fmt: skip
    assert '-p "127.0.0.1:$port:5000"' in script.text


def test_nobody_pushes_while_blobs_are_swept() -> None:
    text = host_registry.prune().text
    assert text.index('docker stop "$id"') < text.index("garbage-collect")
    assert text.rstrip().endswith("prune_registry")
