"""The edge's health checks in the access logs of the services behind it.

The edge queries each server once a second: `GET <health> HTTP/1.1`, from its own address in the
project's network, with `Host: edge` and no User-Agent. An access log has the request and the
address, and in the combined format the missing agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.compose.stack import Stack

#: As Compose prints a line: service, number of the container, then time and text.
_LINE = re.compile(r"^([\w.-]+)-\d+ +\| (.*)$", re.DOTALL)
#: A network of Docker's. A proxy header names an outside client, which a service may log.
_INSIDE = re.compile(r"(?<![\d.])(10\.\d+|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+(?![\d.])")
_PASSED = r' HTTP/1\.1"? [23]\d\d(?!\d)'
_NO_AGENT = re.compile(r'"-" "-"\s*$')


@dataclass(frozen=True)
class EdgeChecks:
    """Recognizes the edge's health checks that passed. paths: of each routed service."""

    paths: Mapping[str, str]

    @classmethod
    def of(cls, stack: Stack) -> EdgeChecks:
        edge = stack.deploy.edge
        return cls({name: route.health for name, route in edge.routes.items()} if edge else {})

    def owns(self, line: str) -> bool:
        """Whether a line is such a check; one that failed is for people to read."""
        match = _LINE.match(line)
        if match is None or (path := self.paths.get(match[1])) is None:
            return False
        text = match[2]
        request = re.search(rf"GET {re.escape(path)}{_PASSED}", text)
        if request is None or not _INSIDE.search(text[: request.start()]):
            return False
        # People open `/` as well, through the edge and so from the same address.
        return path != "/" or _NO_AGENT.search(text) is not None
