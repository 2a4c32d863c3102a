"""What keeps the project up says the same as the project: bounds, linters, documents, forms."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
DOCUMENTS = ["CONTRIBUTING.md", "SECURITY.md"]
LINKED = "https://github.com/systech/homeguru-deploy/"


def recipe(target: str) -> str:
    (found,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.M)
    return found


def hooks() -> dict[str, dict]:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    return {hook["id"]: hook for hook in local["hooks"]}


def files(*patterns: str) -> set[str]:
    return {str(f.relative_to(ROOT)) for pattern in patterns for f in ROOT.glob(pattern)}


def test_renovate_raises_no_bound_that_has_its_reason_in_pyproject() -> None:
    """A bound that is no whole major version is a trap that somebody fell into."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = [re.fullmatch(r"([\w-]+).*(<\d+\.\d+)", line) for line in project["dependencies"]]
    rules = json.loads((ROOT / "renovate.json").read_text())["packageRules"]
    allowed = {
        name: rule["allowedVersions"]
        for rule in rules if "allowedVersions" in rule
        for name in rule["matchPackageNames"]
    }  # fmt: skip
    assert {bound[1]: bound[2] for bound in bounds if bound} == allowed
    assert "fastapi" in allowed


def test_a_person_asks_for_a_major_version_of_prefect() -> None:
    rules = json.loads((ROOT / "renovate.json").read_text())["packageRules"]
    by_hand = [rule for rule in rules if rule.get("dependencyDashboardApproval")]
    majors = [rule for rule in by_hand if "matchPackageNames" not in rule]
    assert [("pep621" in r["matchManagers"], r["matchUpdateTypes"]) for r in majors] == [
        (True, ["major"])
    ]


def test_renovate_finds_uv_in_our_images() -> None:
    (manager,) = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    (place,) = (pattern.strip("/") for pattern in manager["managerFilePatterns"])
    (version,) = (pattern.replace("(?<", "(?P<") for pattern in manager["matchStrings"])
    holding = {f: (ROOT / f).read_text() for f in files("docker/*") if (ROOT / f).is_file()}
    holding = {f: text for f, text in holding.items() if "ARG UV_VERSION" in text}
    assert holding
    for file, text in holding.items():
        assert re.search(place, file)
        assert re.search(version, text)["currentValue"][0].isdigit()


def test_hooks_are_the_fast_part_of_lint() -> None:
    linted = set(re.findall(r"@\$\(BIN\)/(ruff [a-z]+|[a-z-]+)", recipe("lint")))
    entries = [hook["entry"].split() for hook in hooks().values()]
    assert all(words[:3] == ["uv", "run", "--frozen"] for words in entries)
    hooked = {" ".join(words[3:5]) if words[3] == "ruff" else words[3] for words in entries}
    assert linted - hooked == {"zizmor"}
    assert hooked <= linted


def test_shellcheck_sees_the_same_files_as_in_lint() -> None:
    (line,) = re.findall(r"^SHELL_FILES := (.*)$", MAKEFILE, re.M)
    linted = files(*re.sub(r"\$\(wildcard ([^)]*)\)", r"\1", line).split())
    shell = files(".ci/*", *(f"{name}/**/*.sh" for name in ("deployments", "infra", "tests")))
    assert {f for f in shell if re.search(hooks()["shellcheck"]["files"], f)} == linted
    assert ".ci/run" in linted


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_names_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (ROOT / link).exists()] == []
    assert [link for link in links if link not in inside and not link.startswith(LINKED)] == [
        link for link in links if link.startswith("https://semver.org/")
    ]
    paths = re.findall(r"`((?:\.github|flows|infra|deployments|tests|doc)/[\w./-]*)`", text)
    assert [p for p in paths if "NAME" not in p and "vN" not in p and not (ROOT / p).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_invents_no_address(name: str) -> None:
    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", (ROOT / name).read_text()) == []


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_a_form_is_one_that_github_shows(file: Path) -> None:
    form = yaml.safe_load(file.read_text())
    assert set(form) == {"name", "description", "labels", "body"}
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in asked} <= {"textarea", "input", "dropdown", "checkboxes"}
    names = [field["id"] for field in asked]
    assert len(set(names)) == len(names)
    assert all(field["attributes"]["label"] for field in asked)
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_there_are_forms() -> None:
    assert [file.stem for file in FORMS] == ["bug", "feature"]


def test_a_weakness_is_reported_in_private() -> None:
    address = f"{LINKED}security/advisories/new"
    for name in ("SECURITY.md", ".github/ISSUE_TEMPLATE/bug.yml"):
        assert address in (ROOT / name).read_text()
