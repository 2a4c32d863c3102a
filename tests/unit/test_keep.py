"""Folders that outlast a release."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deployments.compose.kept_folders import document, kept_volumes, problems
from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse

NAME = "${KEEP_BOT_HOME_APP_CACHE:-${COMPOSE_PROJECT_NAME}_keep-bot-home-app-.cache}"
KEEP = {"bot": ("/home/app/.cache",), "api": ("/app/uploads", "/data")}


def test_who_asks_for_nothing_has_the_compose_file_as_it_is():
    assert document({}) == document({"bot": ()}) == ""


def test_a_second_document_mounts_a_volume_for_each_folder():
    first, _, rest = document(KEEP).partition("\n")
    assert first == "---"
    assert json.loads(rest) == {
        "services": {
            "bot": {"volumes": [{"type": "volume", "source": "keep-bot-home-app-.cache", "target": "/home/app/.cache"}]},
            "api": {"volumes": [
                {"type": "volume", "source": "keep-api-app-uploads", "target": "/app/uploads"},
                {"type": "volume", "source": "keep-api-data", "target": "/data"},
            ]},
        },
        "volumes": {
            "keep-bot-home-app-.cache": {"name": NAME},
            "keep-api-app-uploads": {"name": "${KEEP_API_APP_UPLOADS:-${COMPOSE_PROJECT_NAME}_keep-api-app-uploads}"},
            "keep-api-data": {"name": "${KEEP_API_DATA:-${COMPOSE_PROJECT_NAME}_keep-api-data}"},
        },
    }  # fmt: skip


def test_what_would_hide_data_is_refused(stack):
    taken = {"postgres": ("/var/lib/postgresql/data",), "api": ("/a/b", "/a-b"), "bot": ("/x",)}
    assert problems(taken, stack) == [
        "the Compose file has a volume at /var/lib/postgresql/data of postgres already",
        "postgres is not built here: give it a volume in the Compose file",
        "two folders of api would have one volume: /a/b, /a-b",
    ]
    assert problems(KEEP, stack) == []


def test_a_release_s_own_file_says_what_is_kept(stack):
    mounted = {
        "bot": (
            (NAME, "/home/app/.cache"),
            ("own", "/own"),
        )
    }
    stack = replace(stack, volumes={**stack.volumes, **mounted})
    assert kept_volumes(stack, "bot") == ((NAME, "/home/app/.cache"),)
    assert kept_volumes(stack, "api") == ()


@pytest.mark.parametrize("path", ["/", "/app", "/home", "cache", "/a/../b", "/a b", "/a/", ""])
def test_a_folder_that_is_none_or_holds_the_release(toml, path):
    with pytest.raises(WrongUse, match=r"keep\.bot"):
        parse_environment("prod", toml(keep={"bot": [path]}), "prod.toml")
