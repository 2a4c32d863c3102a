"""The gateway's lists as Python's `re` reads them: the same letters, apart from `$` and `(?s:)`.

What Caddy itself makes of them is seen in tests/e2e/control_plane/test_accounts.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


ROUTES, BODIES = rules("routes"), rules("bodies")


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
    (read,) = re.findall(r"@read vars_regexp \{allowed\} \^\(([a-z|]+)\)\$", text)
    answers = {said for _, said in ROUTES} - {"yes"}
    assert answers == set(read.split("|"))
    for name in answers:
        assert any(p.pattern.startswith(f"^{name} ") for p, said in BODIES if said == "yes"), name
        hides = next(p for p, _ in BODIES if "u00" in p.pattern)
        assert hides.search(f'{name} {{"\\u0061": 1}}'), name


def test_no_machine_reads_a_block_with_its_value() -> None:
    for account in ("trigger", "reporter", "secrets"):
        for address in (
            f"/api/block_documents/{ID}", "/api/block_documents/filter",
            "/api/block_types/slug/secret/block_documents/name/homeguru-x?include_secrets=true",
            "/api/block_types/slug/secret/block_documents?include_secrets=true",
        ):  # fmt: skip
            for method in ("GET", "POST"):
                assert answer(ROUTES, f"{account} {method} {address}") == "no"


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("create", '{"parameters": {"environment": "production"}, "tags": []}', "yes"),
        ("create", '{"parameters": {"release": "job_variables"}}', "no"),
        ("create", '{"parameters": {"release": "a \\"state\\" b"}}', "yes"),
        ("create", '{"job_variables": {}}', "no"),
        ("create", '{"job\\u005fvariables": {}}', "no"),
        ("create", '{"JOB\\u005Fvariables": {}}', "no"),
        ("create", '{"a": 1,\n"job_variables": {}}', "no"),
        ("create", '{"state": {"type": "RUNNING"}}', "no"),
        ("create", "[]", "no"),
        ("create", "", "no"),
        ("cancel", '{"state": {"type": "CANCELLING", "name": "Cancelling", "message": "x"}}', "yes"),
        ("cancel", '{"state":{"type":"CANCELLING"}}', "yes"),
        ("cancel", '{"state": {"type": "COMPLETED"}}', "no"),
        ("cancel", '{"state": {"type": "CANCELLING"}, "force": true}', "no"),
        ("cancel", '{"state": {"type": "CANCELLING", "type": "RUNNING"}}', "no"),
        ("cancel", '{"state": {"type": "CANCELLING"}}\n', "no"),
        ("report", '{"flow_id": "x", "deployment_id": null, "job_variables": null}', "yes"),
        ("report", '{"flow_id": "x", "job_variables": {}}', "yes"),
        ("report", '{"flow_id": "x", "deployment_id": "y"}', "no"),
        ("report", '{"flow_id": "x", "job_variables": { "env": {}}}', "no"),
        ("patch", '{"name": "publish HEAD"}', "yes"),
        ("patch", '{"parameters": {}}', "no"),
        ("state", '{"state": {"type": "RUNNING"}}', "yes"),
        ("state", '{"state": {"type" : "SCHEDULED"}}', "no"),
        ("secret", '{"name": "homeguru-sandbox-token", "data": {"value": "x"}}', "yes"),
        ("secret", '{"name": "else", "data": {"value": "x"}}', "no"),
        ("secret", '{"name": "else", "x": {"name": "homeguru-a"}}', "no"),
        ("secret", '{"name": "homeguru-a", "name": "else"}', "no"),
    ],
)  # fmt: skip
def test_bodies(kind: str, body: str, said: str) -> None:
    assert answer(BODIES, f"{kind} {body}") == said
