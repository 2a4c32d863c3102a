"""Where an application says that it is well, as far as its code tells."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = r"(?:healthz?|health-?check|readyz?|livez|ping|up)"
_ROUTE = re.compile(rf"""["'`](/(?:api/)?(?:v1/)?{_NAMES})/?["'`]""")
_DJANGO = re.compile(rf"""\bpath\(\s*["']((?:api/)?{_NAMES}/?)["']""")
_NEST = re.compile(rf"""@(?:Get|Controller)\(\s*["']({_NAMES})["']""")
_NEXT = re.compile(
    rf"(?:^|/)(?:src/)?(?:app/((?:api/)?{_NAMES})/route|pages/(api/{_NAMES}))\.(?:[jt]sx?|mjs)$"
)
_CODE = (".py", ".ts", ".tsx", ".js", ".mjs", ".go", ".rb", ".php")


def health_route(texts: Mapping[str, str]) -> str:
    """The route of its health check; `/` where none was found. texts: of its source files, by path."""
    for path, text in sorted(texts.items()):
        if not path.endswith(_CODE):
            continue
        if match := _NEXT.search(path):
            return f"/{match[1] or match[2]}"
        if match := _ROUTE.search(text):
            return match[1]
        # These frameworks write their routes without the first slash, and Django means the last one.
        if match := _DJANGO.search(text) or _NEST.search(text):
            return f"/{match[1]}"
    return "/"
