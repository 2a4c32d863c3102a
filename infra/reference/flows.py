"""The page of the flows: parameters of each, read from its source without importing Prefect."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass

from deployments.database.choice import Choice
from deployments.host.maintenance import Switch
from infra.machine.paths import CHECKOUT
from infra.orchestration.setup.declared import Declared, declared
from infra.reference.markdown import code, table
from infra.reference.markdown import page as markdown_page

INTRODUCTION = """
Each command that changes something runs a flow. `homeguru setup` registers these deployments, named
`FLOW/FLOW`, on a Prefect server; their parameters are the form in its UI and the body of its API. Two
parameters are filled in by commands and workflows, and are left empty by people: `by` (who asks) and
`configuration` (what the environment is for whoever asks).
"""

_TYPES = {
    "str": "text", "bool": "`true` or `false`", "list[Port]": "list of numbers, 1 to 65535 each",
    "EnvironmentName": "name of an environment",
    "Choice": " or ".join(code(choice.value) for choice in Choice),
    "Switch": " or ".join(code(switch.value) for switch in Switch),
}  # fmt: skip
_ARGUMENT = re.compile(r"^(\w+): (.+)$")


@dataclass(frozen=True)
class FlowSource:
    """A flow's function as its source has it."""

    function: ast.FunctionDef

    @property
    def documentation(self) -> tuple[list[str], dict[str, str]]:
        """Paragraphs of its docstring, and the meaning of each parameter."""
        text, _, arguments = inspect.cleandoc(ast.get_docstring(self.function) or "").partition(
            "\n\nArgs:\n"
        )
        lines = (_ARGUMENT.match(line.strip()) for line in arguments.splitlines())
        return text.split("\n\n"), {found[1]: found[2] for found in lines if found}

    @property
    def parameters(self) -> list[tuple[str, str, str, str]]:
        """Name, type, default and meaning."""
        arguments = self.function.args
        _, meanings = self.documentation
        needed = len(arguments.args) - len(arguments.defaults)
        defaults = ["required"] * needed + [_default(value) for value in arguments.defaults]
        return [
            (code(one.arg), _type(one.annotation), default, meanings[one.arg])
            for one, default in zip(arguments.args, defaults, strict=True)
        ]


def page() -> str:
    """The whole page."""
    everywhere, on_control_plane = declared(CHECKOUT / "prefect.yaml")
    parts = [INTRODUCTION, *(_one(entry) for entry in everywhere)]
    parts += ["## On a control plane alone", *(_one(entry) for entry in on_control_plane)]
    return markdown_page("Flows and their parameters", *parts)


def read(entry: Declared) -> FlowSource:
    """The flow that a deployment names by module."""
    module, _, name = entry.entrypoint.rpartition(".")
    file = CHECKOUT / f"{module.replace('.', '/')}.py"
    [found] = [
        node for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]  # fmt: skip
    return FlowSource(found)


def _one(entry: Declared) -> str:
    flow = read(entry)
    paragraphs, _ = flow.documentation
    where = f"Work pool `{entry.pool}`, queue `{entry.queue}`"
    if entry.container_pool:
        where += f"; with containers `{entry.container_pool}`"
    every = [s["cron"] for s in entry.schedules if "cron" in s]
    schedule = f" Schedule: `{every[0]}` ({entry.schedules[0]['timezone']})." if every else ""
    parts = [
        f"## `{entry.name}`", entry.description, *(p.replace("\n", " ") for p in paragraphs),
        table(("parameter", "type", "default", "meaning"), flow.parameters),
        f"{where}.{schedule}",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _type(annotation: ast.expr | None) -> str:
    text = ast.unparse(annotation) if annotation else ""
    return _TYPES[text]


def _default(value: ast.expr) -> str:
    text = ast.unparse(value)
    if text.startswith("Choice."):
        return code(text.removeprefix("Choice."))
    return code({"''": "", "False": "false", "True": "true", "[]": ""}.get(text, text.strip("'")))
