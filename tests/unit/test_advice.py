"""What messages tell people to do: commands, options and files that exist, and nothing unsafe.

Every text of the product is read, not only the `todo` of errors: notices, reports and hints of the
command line name commands too. `X` stands for what a text fills in.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import httpx
import pytest
import typer

from deployments.errors import Refused, WrongUse
from deployments.history.ledger import Revision
from deployments.messages.notices import Asker, Writer
from deployments.messages.report import Report
from deployments.planning.plan import Plan
from infra.cli.app import app
from infra.environment.secrets import SecretsFile
from infra.host.watching import _deploy_again
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.pools import ensure_pool
from infra.ssh.key import check_key_file

ROOT = Path(__file__).resolve().parents[2]
FILES = [f for name in ("deployments", "infra", "flows") for f in (ROOT / name).rglob("*.py")]
OTHERS = {"--pool", "--no-interpolate", "--no-path-resolution", "--global", "--add"}
"""Options of others' commands, such as `prefect worker start`."""


def _text(node: ast.JoinedStr) -> str:
    return "".join(v.value if isinstance(v, ast.Constant) else "X" for v in node.values)


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts as they are written, without docstrings; what they fill in is `X`."""
    nodes = list(ast.walk(tree))
    inner = {id(part) for n in nodes if isinstance(n, ast.JoinedStr) for part in n.values}
    inner |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, _text(node)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.lineno, node.value


@cache
def _trees() -> dict[str, ast.Module]:
    """Each file of the product, parsed once."""
    return {str(f.relative_to(ROOT)): ast.parse(f.read_text()) for f in sorted(FILES)}


@cache
def _todos() -> list[tuple[str, ast.expr]]:
    """The `todo` of every error."""
    return [
        (f"{file}:{node.lineno}", keyword.value)
        for file, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "todo"
    ]


def _advice() -> list[tuple[str, str]]:
    """The same with each text that it may be."""
    return [(at, text) for at, todo in _todos() for _, text in _texts(todo)]


#: Not a version's line, nor the program rather than a command of it.
_HOMEGURU = re.compile(r"(?<![/-])homeguru (?!X$|reads |to the version )")
_END = r"[;`,:)\n]|\. |\.$"


@cache
def _mentions() -> list[tuple[str, str]]:
    """What follows `homeguru` in a text, to the end of the command."""
    return [
        (f"{file.relative_to(ROOT)}:{line}", re.split(_END, text[mention.end() :])[0].strip())
        for file in sorted(FILES)
        if "homeguru " in (source := file.read_text())
        for line, text in _texts(ast.parse(source))
        for mention in _HOMEGURU.finditer(text)
    ]


@pytest.fixture(scope="module")
def root() -> click.Command:
    """The real parser."""
    return typer.main.get_command(app)


def _command(root: click.Command, words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what is left of them."""
    found = root
    while inner := getattr(found, "commands", None):
        assert words and words[0] in inner, f"no command {' '.join(words[:2])}"
        found, words = inner[words[0]], words[1:]
    return found, words


def test_there_are_texts_to_read() -> None:
    assert len(_mentions()) > 60
    assert len(_advice()) > 250


def test_every_command_that_a_text_names_can_be_pasted(root: click.Command) -> None:
    for at, said in _mentions():
        _can_be_pasted(root, at, said)


def _can_be_pasted(root: click.Command, at: str, said: str) -> None:
    # What stands after -- is a command of a person's own.
    said, _, own = said.partition(" -- ")
    command, words = _command(root, said.split())
    options = {name: p for p in command.params for name in p.opts}
    given = [word for word in words if word.startswith("-")]
    assert set(given) <= options.keys(), f"{at}: {command.name} has no such option"
    # `init` makes one, and names it production by itself.
    if "--env" in options and command.name != "init":
        assert "--env" in given, f"{at}: which environment? There may be several"
    kinds = {p.opts[0]: p for p in command.params if p.required}
    needed = [name for name, p in kinds.items() if p.param_type_name == "option"]
    assert set(needed) - {"--env"} <= set(given), f"{at}: {command.name} needs {needed}"
    before = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    wanted = sum(p.param_type_name == "argument" for p in kinds.values())
    if command.name in ("deploy", "rollback", "restore"):
        # `newest` and `previous` are another release tomorrow: which one is meant is said.
        wanted = 1
    assert before + bool(own) >= wanted, f"{at}: {command.name} of what?"


def test_every_option_of_a_next_step_is_one_of_a_command(root: click.Command) -> None:
    known = set(OTHERS)

    def collect(command: click.Command) -> None:
        for each in getattr(command, "commands", {}).values():
            collect(each)
        known.update(name for p in command.params for name in (*p.opts, *p.secondary_opts))

    collect(root)
    unknown = [
        (at, option)
        for at, text in _advice()
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
        if option not in known
    ]
    assert unknown == []


def test_no_next_step_is_empty() -> None:
    """Also not in one of its branches."""

    def branches(node: ast.expr) -> Iterator[ast.expr]:
        if isinstance(node, ast.IfExp):
            yield from (*branches(node.body), *branches(node.orelse))
        elif isinstance(node, ast.BoolOp):
            yield from branches(node.values[-1])
        else:
            yield node

    empty = [
        at for at, todo in _todos() for node in branches(todo)
        if isinstance(node, ast.Constant) and not str(node.value).strip()
    ]  # fmt: skip
    assert empty == []


def test_nothing_to_fill_in_stands_in_angle_brackets() -> None:
    """A shell takes these for files to read and to overwrite."""
    assert [(at, text) for at, text in _advice() if re.search(r"<\w+>", text)] == []


def test_every_file_that_a_text_names_exists() -> None:
    documents = "deployments/environment/documents.py"
    addresses = [(documents, text) for _, text in _texts(_trees()[documents])]
    named = {
        (at, path)
        for at, text in [*_advice(), *addresses]
        for path in re.findall(r"(?<![\w/.~-])((?:doc|docker|deployments)/[\w./-]*\w)", text)
    }
    assert len(named) > 5
    assert [(at, path) for at, path in sorted(named) if not (ROOT / path).exists()] == []


def test_a_control_plane_is_looked_at_from_where_it_was_put_up() -> None:
    """Its state lies there; its host, when that is another machine, has none."""
    texts = [text for tree in _trees().values() for _, text in _texts(tree)]
    assert [t for t in texts if re.search(r"control-plane status`?,? on its host", t)] == []


# -- what is filled in -------------------------------------------------------------------


def test_a_path_with_a_blank_can_be_pasted(tmp_path: Path) -> None:
    file = tmp_path / "my keys" / "id"
    with pytest.raises(WrongUse) as absent:
        check_key_file(file, "h")
    assert shlex.split(absent.value.todo.partition("make one: ")[2])[-2:] == ["-f", str(file)]
    file.parent.mkdir()
    file.write_text("-----BEGIN")
    file.chmod(0o644)
    with pytest.raises(WrongUse) as open_to_all:
        check_key_file(file, "h")
    assert shlex.split(open_to_all.value.todo) == ["chmod", "600", str(file)]
    with pytest.raises(WrongUse) as secrets:
        SecretsFile(file)
    assert shlex.split(secrets.value.todo) == ["chmod", "600", str(file)]


def test_a_key_that_is_another_users_says_whose_it_should_be(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "id"
    file.write_text("-----BEGIN")
    file.chmod(0o600)

    def closed(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(WrongUse) as refused:
        check_key_file(file, "h")
    assert refused.value.what == "cannot be read: Permission denied"
    assert refused.value.todo.endswith(f'sudo chown "$(id -un)" {file}')


def test_a_pool_of_another_type_is_kept() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"type": "docker", "base_job_template": {}})

    api = PrefectApi("http://p.test/api", transport=httpx.MockTransport(answer))
    with pytest.raises(Refused) as told:
        ensure_pool(api, "homeguru", None)
    assert told.value.todo.startswith("keep it and run homeguru setup --pools docker;")


@pytest.mark.parametrize(
    ("release", "again"),
    [("12-prod-sha-0a", "prod-sha-0a"), ("0-adopted", "newest"), (None, "newest")],
)
def test_a_release_without_a_record_is_deployed_again_by_its_name(release, again) -> None:
    """`current` would be looked up in just that record, and `newest` may be a newer one."""
    assert _deploy_again(release, "prod") == f"homeguru deploy {again} --env prod"


def test_the_first_release_has_none_to_go_back_to() -> None:
    plan = Plan("deploy", "1-x", "x", None, ())
    report = Report("prod", plan, "ok", (), (), Revision(), 1.0, "anna", "r1", {})
    assert "rollback" not in Writer("prod", "en").done(report, Asker("anna")).body
