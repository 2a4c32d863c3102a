"""Arguments of scripts, as bash takes them."""

from __future__ import annotations

import subprocess

import pytest

from deployments.compose.reader import parse_stack
from deployments.shell import prelude
from tests.every_script import every_script

HOSTILE = "x'; rm -rf / #$(id)`id`\"${HOME}"


def _hostile_stack(compose_config):
    config = {**compose_config, "x-deploy": {**compose_config["x-deploy"]}}
    config["x-deploy"]["database"] = {
        **config["x-deploy"]["database"], "superuser": HOSTILE, "name": HOSTILE,
        "revision": HOSTILE,
    }  # fmt: skip
    return parse_stack("", config, "compose.yml")


NAMES = sorted(
    ["observe", "candidate", "read", "session", "guarded", "stop work", "install", "restore", "remove",
     "record", "close", "pull", "pull ahead", "roles", "migrate", "routed", "plain", "up", "reload", "probe",
     "maintenance on", "maintenance again", "status page", "logs", "remove one", "let go", "prepare", "last words", "start together", "drain together"]
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", ["api", HOSTILE])
def test_every_script_parses(world, compose_config, name, word):
    scripts = every_script(world.environment, _hostile_stack(compose_config), word)
    assert sorted(scripts) == NAMES
    done = subprocess.run(
        ["bash", "-n"], input=scripts[name].text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("observe", ["observe_host"]),
        ("candidate", ["emit_candidate"]),
        ("read", ["emit_file"]),
        ("session", ["hold_session"]),
        ("guarded", ["run_guarded"]),
        ("stop work", ["grep", "flock", "stop_work"]),
        ("install", ["install_release"]),
        ("restore", ["restore_release"]),
        ("record", ["record_run"]),
        ("close", ["close_journal"]),
        ("pull ahead", ["pull_ahead"]),
        ("pull", ["login_to_registry", "pull_images"]),
        ("roles", ["create_roles"]),
        ("migrate", ["migrate"]),
        ("reload", ["reload_edge"]),
        ("maintenance on", ["switch_edge", "note_maintenance"]),
        ("maintenance again", ["note_maintenance"]),
        ("status page", ["container_ids", "renew_page"]),
        ("remove one", ["container_ids"]),
        ("probe", ["project_containers", "ask_container", "emit_restarts", "emit_logged"]),
        ("last words", ["emit_last_lines"]),
        ("prepare", ["prepare_image"]),
        ("logs", ["compose"]),
    ],
)
def test_a_hostile_name_arrives_literally(world, compose_config, tmp_path, name, functions):
    """The functions that do the work are replaced by ones that show what reached them."""
    environment = world.environment.model_copy(update={"directory": str(tmp_path)})
    text = "\n" + every_script(environment, _hostile_stack(compose_config), HOSTILE)[name].text
    for function in functions:
        shown = f'{function}() {{ printf "<%s>\\n" "$@" >> shown; }}'
        text = text.replace(f"\n{function}() {{", f"\n_replaced_{function}() {{")
        text = f"\n{shown}\n{text}"
    subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, check=False)
    found = (tmp_path / "shown").read_text()
    assert f"<{HOSTILE}>" in found or f'<"token":"{HOSTILE}">' in found


@pytest.mark.parametrize("make", ["routed", "plain", "up"])
def test_settings_of_a_replacement_arrive_literally(world, compose_config, make):
    text = every_script(world.environment, _hostile_stack(compose_config), HOSTILE)[make].text
    body, _, _ = text.rpartition(
        "\n"
        + {"routed": "edge=$(container_ids", "plain": "replace_service", "up": "recreate_service"}[
            make
        ]
    )
    body += '\nprintf "%s\\n" "$service" "$image" "$hash"\n'
    done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == f"{HOSTILE}\n" * 3


def test_settings_of_several_services_arrive_literally(world, compose_config):
    text = every_script(world.environment, _hostile_stack(compose_config), HOSTILE)
    body, _, _ = text["start together"].text.rpartition("\nedge=$(container_ids")
    body += '\nchoose_service "${services[0]}"\nprintf "%s\\n" "$service" "$image" "${ready[1]}"\n'
    done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == f"{HOSTILE}\n" * 3


def test_what_a_missing_directory_says(world, shell, tmp_path):
    environment = world.environment.model_copy(update={"directory": str(tmp_path / "none")})
    done = shell.run(prelude.prelude(environment))
    assert done.returncode == 20
    assert done.stderr.startswith(f"directory {tmp_path}/none does not exist, or ")
