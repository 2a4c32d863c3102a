"""Secrets in every writing are hidden."""

from __future__ import annotations

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.redaction import Redactor

SECRETS = [
    "hunter2-hunter2", 'p"a\\ss/w+o=r d&', "it's $HOME `x` 100%", "пароль-секрет", "a\tb\nsecond-line-of-it",
    "7712:AAH-secret_x", "-----BEGIN KEY-----\nMIIEabcdefghijklmnop\nqrstuvwxyz0123456789\n-----END KEY-----",
]  # fmt: skip
FORMS = {
    "as it is": str,
    "hex": lambda s: s.encode().hex(),
    "percent": lambda s: quote(s, safe=""),
    "percent, small": lambda s: quote(s, safe="").lower() if s.isascii() and s.islower() else quote(s),
    "percent, with slashes": quote,
    "form": quote_plus,
    "json": lambda s: json.dumps({"password": s}),
    "json, utf-8": lambda s: json.dumps({"password": s}, ensure_ascii=False),
    "python": lambda s: repr({"password": s}),
    "shell": lambda s: f"export X={shlex.quote(s)}",
    "html": lambda s: f"<b>{html.escape(s)}</b>",
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 of user and password": lambda s: base64.b64encode(f"robot:{s}".encode()).decode(),
    "base64 inside": lambda s: base64.b64encode(f"u:{s}@host/".encode()).decode(),
    "base64 inside, moved": lambda s: base64.b64encode(f"us:{s}@host".encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(f"x{s}y".encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_no_writing_of_a_secret_is_shown(secret, form):
    text = f"before {FORMS[form](secret)} after"
    shown = Redactor([secret])(text)
    assert shown != text
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    for part in secret.splitlines():
        assert part not in shown
    # What is left of an encoding is too little to guess it from.
    kept = max((len(x) for x in shown.replace("***", " ").split()), default=0)
    assert kept < len(FORMS[form](secret))


@pytest.mark.parametrize(
    "line", ["@backup hunter2-hunter2", "@@x hunter2-hunter2", "::x hunter2-hunter2"]
)
def test_no_line_is_let_through_by_how_it_begins(line):
    assert "hunter2" not in Redactor(["hunter2-hunter2"])(line)


def test_each_line_of_a_key_is_hidden():
    key = SECRETS[-1]
    shown = Redactor([key])("found MIIEabcdefghijklmnop in it, then qrstuvwxyz0123456789")
    assert shown == "found *** in it, then ***"


def test_a_value_within_another_and_short_ones():
    redactor = Redactor(["7712:AAH-secret", "AAH-secret-of", "app", ""])
    assert redactor("app 7712:AAH-secret of AAH-secret-of") == "app *** of ***"


def test_what_is_learnt_later_is_hidden_too():
    redactor = Redactor()
    assert redactor("hunter2-hunter2") == "hunter2-hunter2"
    redactor.learn(["hunter2-hunter2"])
    assert redactor("hunter2-hunter2") == "***"


@given(st.text(min_size=8), st.text(max_size=5), st.text(max_size=5))
def test_nothing_of_any_value_is_left(secret, before, after):
    try:
        secret.encode()
        (before + after).encode()
    except UnicodeEncodeError:
        return
    redactor = Redactor([secret])
    assert secret not in redactor(f"{before} {secret} {after}") or secret in "***"
    whole = base64.b64encode(secret.encode()).decode()
    assert whole.rstrip("=") not in redactor(f"x {whole} x")
