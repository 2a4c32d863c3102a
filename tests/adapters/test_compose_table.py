"""`doc/compose.md`: each row of its table, tried with Compose itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployments.compose.privileges import check_privileges
from deployments.environment.policy import Services
from deployments.errors import WrongUse
from infra.environment.compose_cli import check_stack, config_of, read_stack
from infra.environment.configs import with_configs

DOC = Path(__file__).resolve().parents[2] / "doc" / "compose.md"
ROW = re.compile(r"^\| (.+?) \| (followed|refused|ignored) \| .+ \|$", re.MULTILINE)

PRIVILEGES = (
    "`privileged`, `network_mode: host`, `pid: host` and the like, capabilities such as `SYS_ADMIN`, "
    "`security_opt` `unconfined`, `devices`, `device_cgroup_rules`, the Docker socket, folders of the "
    "system, also by a named volume's `driver_opts` or a `file` of `configs` and `secrets`"
)

# The row, then Compose's text: of the service `web`, or whole files where they begin with "services".
CASES = [
    ("`image: ${WEB_IMAGE}`", "stop_grace_period: 3s"),
    ("`image: nginx:1`", "services: {web: {image: 'nginx:1'}}"),
    ("one image variable for several services",
     "services: {web: {image: '${A_IMAGE}'}, worker: {image: '${A_IMAGE}'}}"),
    ("`build`", "build: ."),
    ("`container_name`", "container_name: web"),
    ("`deploy.replicas`, `scale`", "deploy: {replicas: 2}"),
    ("`deploy.replicas`, `scale`", "scale: 2"),
    ("`deploy.update_config.order`", "deploy: {update_config: {order: start-first}}"),
    ("`deploy.resources.reservations.memory`",
     "deploy: {resources: {reservations: {memory: 64m}}}"),
    ("`ports` with a host port, `start-first`",
     "ports: ['8080:80']\n    deploy: {update_config: {order: start-first}}"),
    ("`ports` without a host port", "ports: ['80']"),
    ("`network_mode: host`", "network_mode: host"),
    (PRIVILEGES, "privileged: true"),
    (PRIVILEGES, "pid: host"),
    (PRIVILEGES, "cap_add: [SYS_ADMIN]"),
    (PRIVILEGES, "security_opt: ['seccomp:unconfined']"),
    (PRIVILEGES, "devices: ['/dev/sda:/dev/sda']"),
    (PRIVILEGES, "volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']"),
    (PRIVILEGES, "volumes: ['/:/host']"),
    (PRIVILEGES, "device_cgroup_rules: ['a *:* rwm']"),
    (PRIVILEGES,
     "services: {web: {image: '${W_IMAGE}', volumes: ['r:/r']}}\n"
     "volumes: {r: {driver_opts: {type: none, o: bind, device: /}}}"),
    (PRIVILEGES,
     "services: {web: {image: '${W_IMAGE}', secrets: [a]}}\nsecrets: {a: {file: /run/docker.sock}}"),
    ("`network_mode`, `ipc`, `pid`: `service:NAME`", "network_mode: service:other"),
    ("`network_mode`, `ipc`, `pid`: `service:NAME`", "ipc: service:other"),
    ("`network_mode`, `ipc`, `pid`: `service:NAME`", "pid: service:other"),
    ("`volumes_from`", "volumes_from: [other]"),
    ("`depends_on`, `service_started` and `service_healthy`", "depends_on: [other]"),
    ("`depends_on`, `service_started` and `service_healthy`",
     "depends_on: {other: {condition: service_healthy}}"),
    ("`depends_on`, `service_completed_successfully`",
     "depends_on: {other: {condition: service_completed_successfully}}"),
    ("`restart: always` of a service whose end others wait for",
     "services: {web: {image: '${W_IMAGE}', depends_on: {other: {condition: "
     "service_completed_successfully}}}, other: {image: '${O_IMAGE}', restart: always}}"),
    ("`profiles`", "profiles: [night]"),
    ("`depends_on` a service that its profile leaves out",
     "services: {web: {image: '${W_IMAGE}', depends_on: [other]}, other: {image: '${O_IMAGE}', "
     "profiles: [day]}}"),
    ("`volumes` with a name", "volumes: ['data:/data']"),
    ("`volumes` without a name", "volumes: ['/data']"),
    ("a folder beside the file that is written to", "volumes: ['./uploads:/uploads']"),
    ("a file beside the file, or a folder that is only read", "volumes: ['./app.conf:/app.conf']"),
    ("a file beside the file, or a folder that is only read", "volumes: ['./folder:/folder:ro']"),
    ("`env_file`", "env_file: [app.conf]"),
    ("`env_file`", "env_file: [{path: app.conf, required: false}]"),
    ("`env_file` with `required: false`, not there", "env_file: [{path: none.env, required: false}]"),
    ("`networks`",
     "services: {web: {image: '${W_IMAGE}', networks: [data]}}\nnetworks: {data: {internal: true}}"),
    ("`configs` from a file beside the Compose file, or from `content`",
     "services: {web: {image: '${W_IMAGE}', configs: [a]}}\nconfigs: {a: {file: ./app.conf}}"),
    ("`configs` from a file beside the Compose file, or from `content`",
     "services: {web: {image: '${W_IMAGE}', configs: [a]}}\nconfigs: {a: {content: 'x=${X}'}}"),
    ("`secrets` from a file beside the Compose file, or from `environment`",
     "services: {web: {image: '${W_IMAGE}', secrets: [a]}}\nsecrets: {a: {file: ./app.conf}}"),
    ("`secrets` from a file beside the Compose file, or from `environment`",
     "services: {web: {image: '${W_IMAGE}', secrets: [a]}}\nsecrets: {a: {environment: A}}"),
    ("`configs`, `secrets` from a path that begins with `/`",
     "services: {web: {image: '${W_IMAGE}', configs: [a]}}\nconfigs: {a: {file: /etc/hosts}}"),
    ("`configs`, `secrets` of a service that is `read_only`",
     "services: {web: {image: '${W_IMAGE}', read_only: true, configs: [a]}}\n"
     "configs: {a: {content: x}}"),
    ("`configs`, `secrets` with `external: true`",
     "services: {web: {image: '${W_IMAGE}', secrets: [a]}}\nsecrets: {a: {external: true}}"),
    ("`extends` of the same file", "extends: {service: other}"),
    ("`include`, `extends` of another file", "extends: {file: other.yml, service: other}"),
    ("`include`, `extends` of another file",
     "services: {web: {image: '${W_IMAGE}'}}\ninclude: [other.yml]"),
    ("`links`", "links: [other]"),
    ("`develop`, `pull_policy`",
     "pull_policy: always\n    develop: {watch: [{path: ., action: rebuild}]}"),
    ("`name`", "services: {web: {image: '${W_IMAGE}'}}\nname: another"),
    ("`x-` of a service", "x-note: for people"),
]  # fmt: skip


def rows() -> dict[str, str]:
    return dict(ROW.findall(DOC.read_text()))


def _whole(text: str) -> str:
    if text.startswith("services"):
        return f"{text}\nx-deploy: {{v: 1}}\n"
    return (
        f"services:\n  web:\n    image: ${{WEB_IMAGE}}\n    {text}\n"
        "  other:\n    image: ${OTHER_IMAGE}\n    healthcheck: {test: [CMD, 'true']}\n"
        "volumes: {data: }\nx-deploy: {v: 1}\n"
    )


@pytest.mark.parametrize(("row", "text"), CASES)
def test_each_row_is_as_compose_and_we_read_it(tmp_path, row, text):
    (tmp_path / "app.conf").touch()
    (tmp_path / "folder").mkdir()
    file = tmp_path / "compose.yml"
    file.write_text(_whole(text))

    def read() -> None:
        stack = read_stack(file)
        deployed = stack.chosen(Services(profiles=("night",) if "night" in text else ()))
        check_stack(file, deployed)
        check_privileges(
            config_of(file.read_text(), str(file)), deployed.services,
            {"web": ["network_mode: host"]}, {}, "/srv/p", (str(file), "prod.toml"),
        )  # fmt: skip
        with_configs(stack, file, deployed.services, {})

    if rows()[row] != "refused":
        read()
        return
    with pytest.raises(WrongUse) as refused:
        read()
    assert refused.value.where == str(file)
    assert refused.value.todo


def test_each_row_is_tried():
    assert rows().keys() == {row for row, _ in CASES}
