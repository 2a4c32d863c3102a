"""A `.dockerignore` decides as BuildKit's does; what it leaves out costs next to nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployments.build.dockerfile import required
from deployments.build.dockerignore import Dockerignore
from deployments.errors import WrongUse

DOCKER = Path(__file__).resolve().parents[2] / "docker"
IGNORE = "# comment\n*\n!src\n!pyproject.toml\n\n**/.env*\n**/__pycache__\n**/*.pyc\n"


@pytest.mark.parametrize(
    ("path", "let_in"),
    [
        ("pyproject.toml", True),
        ("src/main.py", True),
        ("src/bot/deep/x.py", True),
        ("README.md", False),
        ("other/pyproject.toml", False),
        ("srcs/x.py", False),
        (".env", False),
        ("src/.env", False),
        ("src/.env.production", False),
        ("src/a/b/.env", False),
        ("src/environment.py", True),
        ("src/__pycache__/x.txt", False),
        ("src/a/x.pyc", False),
    ],
)
def test_what_a_dockerignore_lets_in(path, let_in):
    assert Dockerignore(IGNORE).select([path]) == ([path] if let_in else [])


@pytest.mark.parametrize(
    ("rules", "let_in"),
    [
        ("", ["a/x.py", "a/y.txt", "b/x.py"]),
        ("*", []),
        ("*\n!a/**", ["a/x.py", "a/y.txt"]),
        ("*\n!a/\n", ["a/x.py", "a/y.txt"]),
        ("*\n!/a", ["a/x.py", "a/y.txt"]),
        ("*\n!a\na/*.txt", ["a/x.py"]),
        ("a\n!a/x.py", ["a/x.py", "b/x.py"]),
        ("*.py", ["a/x.py", "a/y.txt", "b/x.py"]),
        ("*/x.py", ["a/y.txt"]),
        ("**/x.py", ["a/y.txt"]),
        ("!a\n*", []),
    ],
)
def test_the_last_rule_that_matches_decides(rules, let_in):
    assert Dockerignore(rules).select(["b/x.py", "a/y.txt", "a/x.py"]) == let_in


DEEP = ["src/a.py", "src/x/b.py", "src/x/y/c.py"]


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ("src/**/*.py", ["src/a.py", "src/x/b.py", "src/x/y/c.py"]), ("**/y/*.py", ["src/x/y/c.py"]),
        ("src/**/y", ["src/x/y/c.py"]), ("src/*.py", ["src/a.py"]), ("**/x/**", ["src/x/b.py", "src/x/y/c.py"]),
    ],
)  # fmt: skip
def test_two_stars_are_any_number_of_folders(rule, let_in):
    assert Dockerignore(f"*\n!{rule}").select([*DEEP, "a.md"]) == let_in


def _own(image):
    return Dockerignore((DOCKER / f"Dockerfile.{image}.dockerignore").read_text())


@pytest.mark.parametrize("image", ["bot", "api", "frontend"])
@pytest.mark.parametrize("path", [".env", "src/.env", "frontend/app/.env.local", "secrets.env"])
def test_our_own_dockerignores_never_let_secrets_in(image, path):
    assert _own(image).select([path]) == []


@pytest.mark.parametrize("image", ["api", "bot", "frontend"])
def test_our_own_dockerignores_let_in_what_the_dockerfiles_copy(image):
    for path in required((DOCKER / f"Dockerfile.{image}").read_text()):
        assert _own(image).select([path]) == [path]


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/a", "a/x"), ("./a", "a/x"), ("a/", "a/x"), ("b/../a", "a/x"), ("  a  ", "a/x"),
        ("\ufeffa", "a/x"), ("a/?", "a/x"), ("a/[w-z]", "a/x"), ("a/[^y]", "a/x"), ("**/x", "a/x"),
        ("a**", "a/x"), ("a/\\x", "a/x"), ("a.py", "a.py"), (r"\[a]", "[a]/x"),
    ],
)  # fmt: skip
def test_ways_to_name_a_file(rule, path):
    assert Dockerignore(rule).select([path]) == []
    assert Dockerignore(f"*\n!{rule.lstrip(chr(0xFEFF))}").select([path]) == [path]


@pytest.mark.parametrize("rule", ["#a", "", "   ", "a/*/x", "A", "a/[!y]x", "axpy", "b"])
def test_what_does_not_name_it(rule):
    assert Dockerignore(rule).select(["a/x", "a.py"]) == ["a.py", "a/x"]


def test_a_comment_begins_at_the_begin_of_its_line():
    assert Dockerignore(" #a").select(["#a", "a"]) == ["a"]


def test_a_pattern_that_is_none():
    with pytest.raises(WrongUse, match=r"'a\[z-a\]' in a \.dockerignore is no pattern"):
        Dockerignore("a[z-a]")


@pytest.mark.parametrize(
    ("rules", "folder", "may"),
    [
        ("*\n!src", "src", True),
        ("*\n!src", "src/a", True),
        ("*\n!src", "data", False),
        ("*\n!src", "srcs", False),
        ("*\n!frontend/app", "frontend", True),
        ("*\n!frontend/app", "frontend/other", False),
        ("*\n!frontend/app/*.js", "frontend/app/deep", True),
        ("*\n!**/*.py", "data", True),
        ("*\n!src\n**/cache", "src/cache", False),
        ("data", "data/deep", False),
        ("data\n!data/a", "data", True),
        ("", "data", True),
    ],
)
def test_a_folder_that_holds_nothing_for_a_build_is_not_walked(rules, folder, may):
    assert Dockerignore(rules).may_hold(folder) is may


@pytest.mark.parametrize(
    ("path", "images"),
    [
        ("data/phrases.json", "api bot"), ("locales/ru/LC_MESSAGES/bot.mo", "api bot"),
        ("prompts/system.md", "api bot"), ("config.yaml", "api bot"), ("settings.py", "api bot"),
        ("uploads/.gitkeep", "api bot"), ("src/bot/greeting.txt", "api bot"),
        ("pyproject.toml", "api bot"), ("migrations/versions/0001.py", "api"), ("alembic.ini", "api"),
        ("frontend/app/app/page.tsx", "frontend"), ("frontend/app/public/a.png", "frontend"),
        ("README.md", ""), ("docs/setup.md", ""), ("tests/test_bot.py", ""), (".git/HEAD", ""),
        (".github/workflows/ci.yml", ""), ("docker-compose.prod.yml", ""), ("compose.yaml", ""),
        ("docker/Dockerfile.bot", ""), ("Dockerfile", ""), ("node_modules/x/index.js", ""),
        ("bot.log", ""), ("logs/bot.log", ""), ("src/__pycache__/a.pyc", ""), (".venv/bin/python", ""),
        ("keys/id_rsa", ""), ("secrets/token", ""),
    ],
)  # fmt: skip
def test_what_of_an_ordinary_repository_reaches_which_image(path, images):
    seen = [image for image in ("api", "bot", "frontend") if _own(image).lets_in(path)]
    assert seen == images.split()


def test_thousands_of_files_are_read_in_no_time():
    """13,000 committed files beside the code cost four seconds before the first sentence."""
    paths = [f"docs/d{n % 120}/e{n % 7}/f{n}.json" for n in range(13_000)]
    began = time.process_time()
    for image in ("bot", "api", "frontend"):
        assert _own(image).select(paths) == []
    assert time.process_time() - began < 0.5
