"""Compose's configs and secrets: their content is in the text that reaches the server."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from deployments.compose.configs import LABEL, LIMIT
from deployments.errors import Refused, WrongUse
from infra.environment import locate as environments
from infra.environment.compose_cli import read_stack
from infra.environment.configs import SecretFiles, with_configs
from infra.machine.processes import run

ODD = 'a: "$5" ${B} \\n it\'s привет 🛋 \u2028 \u0085 \ufeff \x7f\ttab\r\n# end\n'


def _file(tmp_path, web: str, rest: str):
    folder = tmp_path / "deploy"
    folder.mkdir(exist_ok=True)
    file = folder / "compose.yml"
    file.write_text(
        f"services:\n  web: {{image: '${{WEB_IMAGE}}', {web}}}\n  other: {{image: '${{OTHER_IMAGE}}'}}\n"
        f"{rest}\nx-deploy: {{v: 1}}\n"
    )
    return file


def _carried(file, values=None, services=("web", "other")):
    return with_configs(read_stack(file), file, services, values or {})


def _resolved(tmp_path, text: str, **variables: str) -> dict:
    """The whole file as Compose fills it elsewhere, where no other file is."""
    away = tmp_path / "server" / "compose.yml"
    away.parent.mkdir(exist_ok=True)
    away.write_text(text)
    env = {**os.environ, "WEB_IMAGE": "w", "OTHER_IMAGE": "o", **variables}
    done = run("docker", "compose", "-f", str(away), "config", "--format", "json", env=env)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_file_s_content_is_in_the_text_as_it_is(tmp_path):
    file = _file(
        tmp_path, "configs: [a, b]", "configs: {a: {file: ./a.conf}, b: {file: ../b.conf}}"
    )
    (file.parent / "a.conf").write_bytes(ODD.encode())
    (tmp_path / "b.conf").write_text("above")
    found = _resolved(tmp_path, _carried(file).text)["configs"]
    # Compose writes `$` twice in what it prints.
    assert found["a"]["content"].replace("$$", "$") == ODD
    assert found["b"]["content"] == "above"
    assert "file" not in found["a"]


def test_a_secret_of_a_file_is_a_variable_and_its_value_is_nowhere_in_the_text(tmp_path):
    file = _file(tmp_path, "secrets: [api-key]", "secrets: {api-key: {file: ./api-key.txt}}")
    stack = _carried(file, {"API_KEY": "the-value-itself"})
    assert _resolved(tmp_path, stack.text)["secrets"]["api-key"]["environment"] == "API_KEY"
    assert "the-value-itself" not in stack.text
    assert stack.missing({}) == ["API_KEY"]
    assert stack.files_of_secrets == {"API_KEY"}


def test_only_services_that_are_given_one_have_a_label_and_it_follows_what_is_in_it(tmp_path):
    file = _file(
        tmp_path, "configs: [a], secrets: [k], labels: [x=y]",
        "configs: {a: {file: ./a.conf}, b: {content: 'x ${B}'}}\nsecrets: {k: {environment: K}}",
    )  # fmt: skip
    (file.parent / "a.conf").write_text("one")

    def label(**values: str) -> str:
        services = _resolved(tmp_path, _carried(file, values).text)["services"]
        assert "labels" not in services["other"]
        assert services["web"]["labels"]["x"] == "y"
        return services["web"]["labels"][LABEL]

    first = label(K="1")
    assert label(K="1", B="not given to it") == first
    assert label(K="2") != first
    (file.parent / "a.conf").write_text("two")
    assert label(K="1") != first


def test_a_variable_in_a_config_is_one_of_its_service_and_changes_its_label(tmp_path):
    file = _file(tmp_path, "configs: [a]", "configs: {a: {content: 'level=${LEVEL}'}}")
    stack = _carried(file, {"LEVEL": "1"})
    assert "LEVEL" in stack.uses["web"] and "LEVEL" not in stack.uses["other"]
    assert stack.missing({}) == ["LEVEL"]
    assert _carried(file, {"LEVEL": "2"}).text != stack.text


def test_a_file_without_any_is_left_as_it_is(tmp_path):
    file = _file(tmp_path, "restart: always", "configs: {unused: {file: ./there-is-none}}")
    assert _carried(file).text == file.read_text()


def test_one_of_a_service_that_is_left_out_need_not_be_there(tmp_path):
    file = _file(tmp_path, "configs: [a]", "configs: {a: {file: ./there-is-none}}")
    assert _carried(file, services=("other",)).text == file.read_text()


def test_a_path_from_the_root_is_the_server_s(tmp_path):
    file = _file(
        tmp_path, "configs: [a], secrets: [b], read_only: true",
        "configs: {a: {file: /etc/a}}\nsecrets: {b: {file: ~/b}}",
    )  # fmt: skip
    stack = _carried(file)
    assert _resolved(tmp_path, stack.text)["configs"]["a"]["file"] == "/etc/a"
    assert stack.missing({}) == []


@pytest.mark.parametrize(
    ("web", "rest", "said"),
    [
        ("configs: [a]", "configs: {a: {file: ./none}}", "configs.a: there is no file {folder}/none"),
        ("configs: [a]", "configs: {a: {external: true}}", "configs.a is external"),
        ("secrets: [a]", "secrets: {a: {external: true}}", "secrets.a is external"),
        ("configs: [a], read_only: true", "configs: {a: {content: x}}", "service web is `read_only`"),
        ("secrets: [a], read_only: true", "secrets: {a: {environment: A}}", "service web is `read_only`"),
        ("secrets: [a-b, a_b]", "secrets: {a-b: {file: ./x}, a_b: {file: ./y}}",
         "secrets a-b and a_b would have one variable, A_B"),
    ],
)  # fmt: skip
def test_what_cannot_reach_a_container_is_refused(tmp_path, web, rest, said):
    file = _file(tmp_path, web, rest)
    with pytest.raises(WrongUse) as refused:
        _carried(file)
    assert said.format(folder=file.parent) in refused.value.what
    assert refused.value.where == str(file)
    assert refused.value.todo


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b", b"x" * (LIMIT + 1)])
def test_what_is_no_text_or_too_long_is_refused_and_not_shown(tmp_path, data):
    file = _file(tmp_path, "configs: [a]", "configs: {a: {file: ./a.bin}}")
    (file.parent / "a.bin").write_bytes(data)
    with pytest.raises(WrongUse) as refused:
        _carried(file)
    assert refused.value.where == str(file.parent / "a.bin")
    assert len(str(refused.value)) < 500


def test_the_file_of_a_secret_gives_its_value_where_only_its_owner_can_read_it(tmp_path):
    file = _file(tmp_path, "secrets: [k]", "secrets: {k: {file: ./k.pem}, away: {file: ./none}}")
    pem = file.parent / "k.pem"
    pem.write_text("one\ntwo\n")
    pem.chmod(0o644)
    source = SecretFiles(read_stack(file), file)
    with pytest.raises(WrongUse, match="can be read by others") as refused:
        source.get("K")
    assert refused.value.todo == f"chmod 600 {pem}"
    pem.chmod(0o600)
    assert source.get("K") == "one\ntwo\n"
    assert source.get("AWAY") is None and source.get("OTHER") is None


def test_two_machines_with_another_file_are_told_apart(tmp_path):
    file = _file(tmp_path, "configs: [a]", "configs: {a: {file: ./a.conf}}")
    (file.parent / "a.conf").write_text("one")
    production = environments.load("production")
    located = replace(
        production, environment=production.environment.model_copy(update={"compose": str(file)})
    )
    asked = located.configuration
    located.check_as_requested(asked)
    (file.parent / "a.conf").write_text("two")
    with pytest.raises(Refused, match=r"config file a\.conf"):
        located.check_as_requested(asked)
