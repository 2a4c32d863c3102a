"""What a build reads, and the hash that decides whether it must be built again."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.inputs import allowed, arguments, base_images, input_hash, required

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
    assert allowed([path], IGNORE) == ([path] if let_in else [])


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
    assert allowed(["b/x.py", "a/y.txt", "a/x.py"], rules) == let_in


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ("src/**/*.py", ["src/a.py", "src/x/b.py", "src/x/y/c.py"]), ("**/y/*.py", ["src/x/y/c.py"]),
        ("src/**/y", ["src/x/y/c.py"]), ("src/*.py", ["src/a.py"]), ("**/x/**", ["src/x/b.py", "src/x/y/c.py"]),
    ],
)  # fmt: skip
def test_two_stars_are_any_number_of_folders(rule, let_in):
    assert allowed(["src/a.py", "src/x/b.py", "src/x/y/c.py", "a.md"], f"*\n!{rule}") == let_in


@pytest.mark.parametrize("image", ["bot", "api", "frontend"])
@pytest.mark.parametrize("path", [".env", "src/.env", "frontend/app/.env.local", "secrets.env"])
def test_our_own_dockerignores_never_let_secrets_in(image, path):
    assert allowed([path], (DOCKER / f"Dockerfile.{image}.dockerignore").read_text()) == []


@pytest.mark.parametrize(
    ("image", "sources"),
    [
        ("api", ["pyproject.toml", "uv.lock", "alembic.ini", "migrations", "src"]),
        ("bot", ["pyproject.toml", "uv.lock", "src"]),
        ("frontend",
         ["frontend/app/package.json", "frontend/app/pnpm-lock.yaml", "frontend/app"]),
    ],
)  # fmt: skip
def test_what_our_own_dockerfiles_cannot_do_without(image, sources):
    assert required((DOCKER / f"Dockerfile.{image}").read_text()) == sources


@pytest.mark.parametrize("image", ["api", "bot", "frontend"])
def test_our_own_dockerignores_let_in_what_the_dockerfiles_copy(image):
    ignore = (DOCKER / f"Dockerfile.{image}.dockerignore").read_text()
    for path in required((DOCKER / f"Dockerfile.{image}").read_text()):
        assert allowed([path], ignore) == [path]


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        ("COPY a b/ ./", ["a", "b"]),
        ("copy a ./", ["a"]),
        ("COPY --chown=1:1 --chmod=755 a ./", ["a"]),
        ("COPY --from=build /x /y", []),
        ("COPY --chown=1 --from=build /x /y", []),
        ("COPY .python-versio[n] ./", []),
        ("COPY *.txt ./", []),
        ("COPY . .", []),
        ("COPY a \\\n  b \\\n  ./", ["a", "b"]),
        ("COPY a ./\nCOPY a b ./", ["a", "b"]),
        ("COPY <<EOF /etc/x", []),
        ("RUN cp a b", []),
    ],
)
def test_sources_of_a_copy(line, sources):
    assert required(f"FROM x\n{line}\n") == sources


def test_declared_arguments():
    assert arguments("ARG A\nARG B=1\n# ARG C\nRUN echo ARG D\n") == {"A", "B"}


def test_base_images():
    text = "ARG A=python:3.11\nARG B\nFROM ${A} AS x\nFROM ${B}\nFROM alpine\nFROM x\n"
    assert base_images(text) == {"A": "python:3.11", "B": ""}


FILES = {"a.py": ("11", False), "b.py": ("22", True)}


def test_an_input_hash_does_not_change_by_itself():
    """Images in the registry carry it: another value would build everything again."""
    assert input_hash(FILES, ["FROM x"], {"A": "1"}) == "f36353eca67665b3"


def test_the_order_in_which_inputs_are_given_does_not_count():
    backwards = dict(reversed(FILES.items()))
    assert input_hash(FILES, [], {"A": "1", "B": "2"}) == input_hash(
        backwards, [], {"B": "2", "A": "1"}
    )


@pytest.mark.parametrize(
    ("files", "dockerfiles", "settings"),
    [
        ({**FILES, "a.py": ("12", False)}, ["FROM x"], {"A": "1"}),
        ({**FILES, "a.py": ("11", True)}, ["FROM x"], {"A": "1"}),
        ({**FILES, "c.py": ("33", False)}, ["FROM x"], {"A": "1"}),
        ({"z.py": FILES["a.py"], "b.py": FILES["b.py"]}, ["FROM x"], {"A": "1"}),
        (FILES, ["FROM y"], {"A": "1"}),
        (FILES, ["FROM x", ""], {"A": "1"}),
        (FILES, ["FROM x"], {"A": "2"}),
        (FILES, ["FROM x"], {"B": "1"}),
        (FILES, ["FROM x"], {}),
    ],
)
def test_every_input_counts(files, dockerfiles, settings):
    assert input_hash(files, dockerfiles, settings) != input_hash(FILES, ["FROM x"], {"A": "1"})
