"""Folders that outlast a release: volumes that an environment adds to the Compose file's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from deployments.compose.stack import Stack


def document(keep: Mapping[str, tuple[str, ...]]) -> str:
    """A second document for the Compose file, which Compose merges into the first.

    Empty where no folder is to be kept. JSON is YAML, and needs no library here.
    """
    wanted = {service: paths for service, paths in keep.items() if paths}
    if not wanted:
        return ""
    services = {
        service: {"volumes": [_mount(service, path) for path in paths]}
        for service, paths in wanted.items()
    }
    names = {
        _volume(service, path): {"name": _name(service, path)}
        for service, paths in wanted.items()
        for path in paths
    }
    return "---\n" + json.dumps({"services": services, "volumes": names}, indent=2) + "\n"


def problems(keep: Mapping[str, tuple[str, ...]], stack: Stack) -> list[str]:
    """What would hide data or a release's own files, a sentence each. stack: without `keep`."""
    sentences = []
    for service, paths in keep.items():
        mounted = {path for _, path in stack.volumes.get(service, ())}
        for path in paths:
            if path in mounted:
                sentences.append(f"the Compose file has a volume at {path} of {service} already")
            if service in stack.deploy.infrastructure:
                sentences.append(
                    f"{service} is not built here: give it a volume in the Compose file"
                )
        volumes = [_volume(service, path) for path in paths]
        if len(set(volumes)) < len(volumes):
            sentences.append(f"two folders of {service} would have one volume: {', '.join(paths)}")
    return sentences


def kept_volumes(stack: Stack, service: str) -> tuple[tuple[str, str], ...]:
    """Those of a service that a release's own Compose file says are kept: name and folder."""
    mounted = stack.volumes.get(service, ())
    return tuple((name, path) for name, path in mounted if name == _name(service, path))


def _mount(service: str, path: str) -> dict[str, str]:
    return {"type": "volume", "source": _volume(service, path), "target": path}


def _volume(service: str, path: str) -> str:
    """A name that shows a person whose it is: `keep-bot-home-app-.cache`."""
    return f"keep-{service}-{re.sub(r'[^A-Za-z0-9._-]+', '-', path.strip('/'))}"


def _name(service: str, path: str) -> str:
    """On the server, of the project; a variable names one that was there before."""
    variable = re.sub(r"[^A-Z0-9]+", "_", f"KEEP_{service}{path}".upper())
    return f"${{{variable}:-${{COMPOSE_PROJECT_NAME}}_{_volume(service, path)}}}"
