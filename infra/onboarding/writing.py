"""Writing what `init` decided; what a person changed since stays."""

from __future__ import annotations

import difflib
import io
import os
import posixpath
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarint import OctalInt
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from deployments.compose.references import in_capitals
from deployments.onboarding.adaptation import Adaptation, Edit
from deployments.onboarding.repository import Repository
from infra.machine.files import read_text

_COMPOSE_FILE = "compose.homeguru.yml"
_HEAD = "# Made from {} by the init of HomeGuru Deploy; yours to change.\n"


def compose_path(found: Repository) -> str:
    """Path of the Compose file that is deployed, from the root: next to theirs, where its paths lead."""
    return posixpath.normpath(posixpath.join(found.folder, _COMPOSE_FILE))


def compose_text(root: Path, found: Repository, adaptation: Adaptation) -> str:
    """The Compose file that is deployed: theirs, comments and order included, with the changes."""
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    document: Any = {}
    if found.compose_file:
        # As lines: with a key its comment would go too.
        text, _ = in_capitals(read_text(root / found.compose_file))
        document = yaml.load(re.sub(r"^(version|name):.*\n", "", text, flags=re.M))
    else:
        document = {"services": {name: {} for name in found.services}}
    for name, body in document["services"].items():
        if getattr(body, "merge", None):
            # A key that is taken away would come back by `<<`.
            document["services"][name] = CommentedMap((key, body[key]) for key in body)
    for edit in adaptation.edits:
        _apply(document, edit)
    out = io.StringIO()
    yaml.dump(document, out)
    return _HEAD.format(found.compose_file or "the Dockerfile") + out.getvalue()


def _apply(document: Any, edit: Edit) -> None:
    *above, last = edit.path
    place = document
    for key in above:
        if place.get(key) is None:
            place[key] = {}
        place = place[key]
    if edit.value is None:
        place.pop(last, None)
    else:
        place[last] = _plain(_as_written(edit.value, place.get(last)))


def _as_written(value: Any, before: Any) -> Any:
    """A list, with those of its parts that stay as the file writes them: the mode 0444 is octal to Compose."""
    if not (isinstance(value, list) and isinstance(before, list)):
        return value
    return [next((old for old in before if old == part), part) for part in value]


def _plain(value: Any) -> Any:
    """The value with words in quotes that older readers of YAML take for yes or no, lines as lines, and
    modes of files as people write them.
    """
    if isinstance(value, list):
        return [_plain(part) if type(part) is dict else part for part in value]
    if isinstance(value, dict):
        return {
            key: OctalInt(inner) if key == "mode" and type(inner) is int else _plain(inner)
            for key, inner in value.items()
        }
    if value in ("yes", "no", "on", "off"):
        return DoubleQuotedScalarString(value)
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value


def difference(root: Path, found: Repository, text: str) -> list[str]:
    """Lines of a unified diff from theirs to what is deployed."""
    before = (root / found.compose_file).read_text() if found.compose_file else ""
    lines = difflib.unified_diff(
        before.splitlines(), text.splitlines(), found.compose_file or "nothing", compose_path(found), n=1, lineterm=""
    )  # fmt: skip
    return list(lines)


def write_new(file: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file that is not there; whether it was written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    return True


def random_value() -> str:
    """A secret that nobody has to know; no character of it means anything to a shell or in a URL."""
    return secrets.token_urlsafe(32)


def add_secrets(file: Path, values: Mapping[str, str]) -> list[str]:
    """Add lines for names that the 0600 file does not have yet; returns those names."""
    if not file.exists():
        write_new(file, "# Values of [secrets]. Never committed.\n", 0o600)
    text = read_text(file)
    present = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = {name: value for name, value in values.items() if name not in present}
    if missing:
        end = "" if text.endswith("\n") else "\n"
        with file.open("a") as out:
            out.write(end + "".join(f"{n}={v}\n" for n, v in missing.items()))
    return list(missing)


def empty_secrets(file: Path) -> list[str]:
    """Names of the file that have no value."""
    lines = (line.partition("=") for line in read_text(file).splitlines())
    return [name.strip() for name, equals, value in lines if equals and not value.strip()]


def ignore(root: Path, lines: list[str]) -> bool:
    """Add what must not be committed to .gitignore; whether anything was added."""
    file = root / ".gitignore"
    # As bytes: what is there stays as it is, ends of lines included.
    present = file.read_bytes() if file.is_file() else b""
    missing = [line for line in lines if line not in present.decode(errors="replace").splitlines()]
    if missing:
        end = "\r\n" if b"\r\n" in present else "\n"
        before = end if present and not present.endswith(b"\n") else ""
        with file.open("ab") as out:
            out.write((before + "".join(f"{line}{end}" for line in missing)).encode())
    return bool(missing)
