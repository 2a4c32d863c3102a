"""The gateway's lists as Python's `re` reads them: the same letters, apart from `$` and `(?s:)`.

What Caddy itself makes of them is seen in tests/e2e/control_plane/test_accounts.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployments.history.gateway_log import MACHINE_ACCOUNTS
from infra.control.accounts import MACHINES
from infra.control.rules import _RULES

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "control-plane" / "gateway"
ID = "12345678-0000-4000-8000-0123456789ab"


def rules(name: str) -> list[tuple[re.Pattern[str], str]]:
    """Pattern and answer of each line. RE2's `$` is the end of the text, as Python's `\\Z`."""
    found = []
    for line in (FOLDER / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'(["`])~(.+)\1 ([a-z]+)', line)
        assert match, line
        quote, pattern, answer = match.groups()
        assert quote == "`" or '"' not in pattern, line
        assert pattern.startswith("^"), line
        found.append((re.compile(re.sub(r"\$$", r"\\Z", pattern)), answer))
    assert len(found) > 5
    return found


ROUTES = rules("routes")


def answer(kind: list[tuple[re.Pattern[str], str]], text: str) -> str:
    return next((said for pattern, said in kind if pattern.search(text)), "no")


def test_every_route_names_an_account_a_method_and_the_whole_address() -> None:
    for pattern, _ in ROUTES:
        accounts, method, address = pattern.pattern.split(" ", 2)
        assert re.fullmatch(r"\^(\([a-z|]+\)|[a-z]+)", accounts), pattern.pattern
        assert re.fullmatch(r"\([A-Z|]+\)|GET|POST|PATCH", method), pattern.pattern
        assert address.startswith("/api/")
        assert address.endswith(r"\Z")
        assert "." not in re.sub(r"\\.|\[[^]]*\]", "", address), "a free dot lets anything in"


def test_every_answer_of_a_route_is_read_by_the_caddyfile() -> None:
    text = (FOLDER / "Caddyfile").read_text()
    assert {said for _, said in ROUTES} == {"yes", "guard"}
    assert "@guarded vars {allowed} guard\n" in text
    assert "header_up X-Homeguru-Account {account}" in text
    # Whoever has no account, were the list of logins ever not read, is no person.
    assert '"~^(trigger|reporter|secrets|) " no' in text
    # What follows the password knows the account, never the login.
    assert text.count("{http.auth.user.id}") == 2


def test_a_password_is_checked_after_the_guard_was_asked() -> None:
    text = (FOLDER / "Caddyfile").read_text()
    main = text[text.index("	route {") :]
    order = [
        main.index(x)
        for x in ("forward_auth @password", "basicauth", "map {http.auth", 'map "{account}')
    ]
    assert order == sorted(order)
    snippet = text.partition("(about-a-login) {")[2].partition("\n}")[0]
    for header in ("-Authorization", "-X-Homeguru-Account", "X-Homeguru-Client {remote_host}"):
        assert f"header_up {header}\n" in snippet
    assert text.count("import about-a-login") == 2


def test_whatever_changes_something_goes_through_the_guard() -> None:
    """But for what makes a flow's name known, and leases, whose ids only their holder knows."""
    free = [
        p.pattern for p, said in ROUTES
        if said == "yes" and not re.search(r" GET |/filter", p.pattern)
    ]  # fmt: skip
    assert [x.split(" ", 2)[2] for x in free] == [
        r"/api/flows/\Z", r"/api/v2/concurrency_limits/(increment|decrement)-with-lease\Z",
        r"/api/v2/concurrency_limits/leases/[0-9a-f-]+/renew\Z",
    ]  # fmt: skip


@pytest.mark.parametrize("case", _RULES, ids=lambda c: f"{c[0]} {c[1]} {c[2][5:]}"[:50])
def test_every_rule_has_its_route(case) -> None:
    account, method, pattern, _ = case
    address = re.sub(r"\(?\[0-9a-f\]\{8\}.*\{12\}\)?", ID, pattern)
    assert answer(ROUTES, f"{account} {method} {address}") == "guard", address


def test_machine_accounts_are_the_same_for_who_makes_them_and_for_who_reads_the_log() -> None:
    assert tuple(MACHINES) == MACHINE_ACCOUNTS


def test_no_machine_reads_a_block_with_its_value() -> None:
    for account in ("trigger", "reporter", "secrets"):
        for address in (
            f"/api/block_documents/{ID}", "/api/block_documents/filter",
            "/api/block_types/slug/secret/block_documents/name/homeguru-x?include_secrets=true",
            "/api/block_types/slug/secret/block_documents?include_secrets=true",
        ):  # fmt: skip
            for method in ("GET", "POST"):
                assert answer(ROUTES, f"{account} {method} {address}") == "no"
