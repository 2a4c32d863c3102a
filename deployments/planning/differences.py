"""What differs for one service between two Compose files with their values, by name.

Values are compared and never shown: a variable's may be long, a secret's is known by its fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.compose.references import references
from deployments.compose.stack import PROJECT_NAME, Stack, in_project

APART = frozenset({"environment", "image", "ports", "volumes"})
"""Keys of a service that are compared by what they hold."""


@dataclass(frozen=True)
class Names:
    """Names that are new, that have another value, and that are gone."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        return frozenset((*self.changed, *self.added, *self.removed))

    def words(self, kind: str) -> list[str]:
        """A phrase for each that there is."""
        parts = {"changed": self.changed, "added": self.added, "removed": self.removed}
        return [f"{kind} {how}: {', '.join(names)}" for how, names in parts.items() if names]

    def to_dict(self) -> dict[str, list[str]]:
        return {"added": [*self.added], "changed": [*self.changed], "removed": [*self.removed]}


@dataclass(frozen=True)
class Side:
    """One of the two: a Compose file and the values that it is filled with.

    values: variables as they are, secrets as fingerprints; without those of images.
    """

    stack: Stack
    values: Mapping[str, str]
    project: str

    def form(self, service: str) -> dict[str, Any]:
        """The service as the file has it."""
        return dict(json.loads(self.stack.forms.get(service, "{}")))

    def variables(self, service: str) -> dict[str, tuple[str, str | None]]:
        """Name to what is compared: of the container's variables, or read elsewhere in it."""
        form = self.form(service)
        own = {str(n): str(text) for n, text in (form.get("environment") or {}).items()}
        rest = json.dumps({k: v for k, v in form.items() if k not in APART})
        named = set(references(" ".join([*own.values(), rest]))) - self.stack.image_variables
        read = {name: ("", self.values.get(name)) for name in named - {PROJECT_NAME}}
        return {**read, **{name: (text, self.values.get(name)) for name, text in own.items()}}

    def listed(self, service: str, key: str) -> set[str]:
        """Ports or volumes as people write them, filled."""
        entries = self.form(service).get(key) or []
        names = dict(zip(*self._volumes(service), strict=True)) if key == "volumes" else {}
        filled = {in_project(_entry(entry, names), self.project, self.values) for entry in entries}
        # An address that a variable leaves empty is every one.
        return {text.removeprefix(":") for text in filled}

    def fills(self, service: str, key: str) -> set[str]:
        """Variables that its ports or volumes are filled from."""
        texts = [json.dumps(self.form(service).get(key) or [])]
        texts += self._volumes(service)[1] if key == "volumes" else []
        return set(references(" ".join(texts)))

    def _volumes(self, service: str) -> tuple[list[str], list[str]]:
        """Where its named volumes are mounted, and their names."""
        mounts = self.stack.volumes.get(service, ())
        return [target for _, target in mounts], [name for name, _ in mounts]


def _entry(entry: object, names: Mapping[str, str]) -> str:
    """`8003:80`, or `data:/data`; of a named volume its name on the server."""
    if not isinstance(entry, dict):
        return str(entry)
    target = str(entry.get("target", ""))
    if "published" in entry or "protocol" in entry:
        end = "" if entry.get("protocol", "tcp") == "tcp" else f"/{entry['protocol']}"
        address = f"{entry['host_ip']}:" if entry.get("host_ip") else ""
        return f"{address}{entry.get('published', '')}:{target}{end}"
    source = names.get(target) or str(entry.get("source", entry.get("type", "")))
    return f"{source}:{target}{':ro' if entry.get('read_only') else ''}"


@dataclass(frozen=True)
class Difference:
    """What differs for one service besides its image."""

    variables: Names = Names()
    secrets: Names = Names()
    definition: tuple[str, ...] = ()
    ports: Names = Names()
    volumes: Names = Names()
    fills: frozenset[str] = frozenset()
    """Variables that the ports and volumes that differ are filled from."""

    @property
    def names(self) -> frozenset[str]:
        """Variables and secrets that differ for this service, or that fill what does."""
        return self.variables.all | self.secrets.all | self.fills

    @property
    def words(self) -> tuple[str, ...]:
        """A phrase for each thing that differs; none where nothing is known to."""
        keys = [f"definition changed: {', '.join(self.definition)}"] if self.definition else []
        return (
            *self.variables.words("variables"), *self.secrets.words("secrets"), *keys,
            *self.ports.words("ports"), *self.volumes.words("volumes"),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        return {
            "variables": self.variables.to_dict(), "secrets": self.secrets.to_dict(),
            "definition": [*self.definition], "ports": self.ports.to_dict(),
            "volumes": self.volumes.to_dict(),
        }  # fmt: skip


def difference(service: str, before: Side, after: Side, secrets: set[str]) -> Difference:
    """What differs for one service. secrets: names that are secrets, of both sides."""
    old, new = before.form(service), after.form(service)
    variables = _compared(before.variables(service), after.variables(service))
    keys = {k for k in (old.keys() | new.keys()) - APART if old.get(k) != new.get(k)}
    moved = {
        key: _moved(before.listed(service, key), after.listed(service, key))
        for key in ("ports", "volumes")
    }
    fills = {
        name
        for key, names in moved.items() if names.all
        for side in (before, after) for name in side.fills(service, key)
    }  # fmt: skip
    return Difference(
        variables=_only(variables, lambda name: name not in secrets),
        secrets=_only(variables, lambda name: name in secrets),
        definition=tuple(sorted(keys)),
        **moved,
        fills=frozenset(fills),
    )


def _compared(old: Mapping[str, object], new: Mapping[str, object]) -> Names:
    both = old.keys() & new.keys()
    return Names(
        changed=tuple(sorted(n for n in both if old[n] != new[n])),
        added=tuple(sorted(new.keys() - both)),
        removed=tuple(sorted(old.keys() - both)),
    )


def _only(names: Names, wanted: Callable[[str], bool]) -> Names:
    parts = (names.changed, names.added, names.removed)
    return Names(*(tuple(filter(wanted, part)) for part in parts))


def _moved(old: set[str], new: set[str]) -> Names:
    return Names(added=tuple(sorted(new - old)), removed=tuple(sorted(old - new)))
