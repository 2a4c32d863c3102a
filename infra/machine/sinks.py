"""What every place where people read may show: one redactor for terminal, log and artifact."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

from deployments.errors import HomeguruError
from deployments.redaction import Redactor
from deployments.text import plain

_process = Redactor()
"""Every secret that this process has read."""


def hide(values: Iterable[str]) -> None:
    """Let no sink of this process show these values."""
    # What comes from a file may end in a line break that its reader takes away.
    forms = [form for value in values for form in (value, plain(value), value.strip())]
    # Several addresses with their tokens may be one value.
    _process.learn([*forms, *(w for value in forms for w in value.split() if len(w) >= 16)])


def clean(text: str) -> str:
    """The text as every sink shows it: without secrets, and without what a terminal would obey."""
    return _process(plain(text))


def cleaned(error: HomeguruError) -> HomeguruError:
    """The same error, its text fit to be shown: it may quote what a program printed."""
    parts = (clean(part) for part in (error.what, error.where, error.state, error.todo))
    error.what, error.where, error.state, error.todo = parts
    error.args = (error.what,)
    error.summary = clean_data(error.summary)
    return error


def harmless(error: Exception) -> Exception:
    """The same error of a library, or one that says the same without the secrets that its text holds.

    For whoever keeps an error as it is: Prefect stores its text, and what it is made of.
    """
    whole = f"{error} {error.args!r} {_packed(error)}"
    if clean(whole) == plain(whole):
        return error
    said = clean(f"{type(error).__name__}: {error}")
    return RuntimeError(said).with_traceback(error.__traceback__)


def _packed(error: Exception) -> str:
    """All that an error is made of, such as a request with its headers; empty where nobody can store it."""
    try:
        return pickle.dumps(error).decode("utf-8", "replace")
    except Exception:
        return ""


def clean_data(data: Any) -> Any:
    """The same data for a JSON document, every text in it as sinks show it."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {name: clean_data(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [clean_data(value) for value in data]
    return data
