"""The Compose file as a deploy reads it."""

from __future__ import annotations

import copy

import pytest

from deployments.compose.reader import parse_stack
from deployments.compose.references import in_urls, interpolate, references, unfilled
from deployments.errors import WrongUse


def _parse(services=None, **deploy):
    config = {"services": services or {}, "x-deploy": {"v": 1, **deploy}}
    return parse_stack("text", config, "compose.yml")


def _refused(call) -> WrongUse:
    with pytest.raises(WrongUse) as caught:
        call()
    assert caught.value.where == "compose.yml"
    return caught.value


def _service(**body):
    return _parse({"api": {"image": "${API_IMAGE}", **body}}).services["api"]


def test_the_production_file(stack):
    stack = stack.called_for({})
    assert [s.name for s in stack.ordered] == ["postgres", "edge", "api", "frontend", "bot"]
    assert stack.built() == ["api", "frontend", "bot"]
    assert [s.name for s in stack.services.values() if s.start_first] == ["api", "frontend"]
    assert [s.name for s in stack.services.values() if s.one_off] == ["migrate"]
    assert stack.services["api"].reservation_mb == 256
    assert stack.services["postgres"].stop_grace == 60
    assert stack.ports == (("edge", "${API_PORT:-8003}"), ("edge", "${FRONTEND_PORT:-3003}"))
    assert stack.references["DATABASE_PASSWORD"] is None
    assert stack.references["TELEGRAM_API_URL"] == "https://api.telegram.org"
    assert stack.uses["frontend"] == {"FRONTEND_CPUS", "FRONTEND_IMAGE", "FRONTEND_READ_ONLY"}
    assert "TELEGRAM_BOT_TOKEN" in stack.uses["bot"]
    assert "TELEGRAM_BOT_TOKEN" not in stack.uses["frontend"]
    assert stack.in_urls == {
        "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_NAME", "DATABASE_OWNER",
        "DATABASE_OWNER_PASSWORD",
    }  # fmt: skip


def test_migrate_shares_the_apis_image(stack):
    assert stack.services["migrate"].image_variable == stack.services["api"].image_variable


@pytest.mark.parametrize(
    ("image", "service"),
    [("nginx:1", "api"), ("${api_image}", "api"), ("", "api"), ("reg/${API_IMAGE}", "api")],
)
def test_an_image_must_be_one_variable(image, service):
    said = _refused(lambda: _service(image=image)).what
    assert said == (
        "service api: `image` must be one variable, ${API_IMAGE}, "
        "which the deploy fills with a digest"
    )


@pytest.mark.parametrize(
    ("service", "variable"),
    [("web-app", "WEB_APP_IMAGE"), ("3d", "S_3D_IMAGE"), ("_x.y", "X_Y_IMAGE"), ("_", "S__IMAGE")],
)
def test_the_proposed_variable_is_one_that_is_read(service, variable):
    refused = _refused(lambda: _parse({service: {"image": "x"}}))
    assert f"${{{variable}}}" in refused.what
    assert f"`image: ${{{variable}}}`" in refused.todo
    named = _parse({service: {"image": f"${{{variable}}}"}})
    assert named.services[service].image_variable == variable


def test_a_container_name_is_refused(compose_config):
    config = copy.deepcopy(compose_config)
    config["services"]["bot"]["container_name"] = "bot"
    error = _refused(lambda: parse_stack("", config, "compose.yml"))
    assert error.what == (
        "service bot: `container_name` forbids a second container, "
        "and so a replacement without a gap"
    )
    assert error.todo == "remove it; other services reach this one by its service name"


def test_without_x_deploy_nothing_is_known():
    said = _refused(lambda: parse_stack("", {"services": {}}, "compose.yml")).what
    assert said == "x-deploy.v: Field required"


@pytest.mark.parametrize(
    ("deploy", "said"),
    [
        ({"colour": 1}, "x-deploy.colour: Extra inputs are not permitted"),
        ({"migrate": {"service": "m"}}, "x-deploy.migrate.image_of: Field required"),
        ({"probes": {"api": {"inside": 1}}}, "x-deploy.probes.api.inside: Extra inputs"),
    ],
)
def test_a_wrong_x_deploy_is_named_by_its_key(deploy, said):
    assert said in _refused(lambda: _parse(**deploy)).what


@pytest.mark.parametrize(
    "deploy",
    [
        {"order": ["ghost"]},
        {"infrastructure": {"ghost": "x:1"}},
        {"probes": {"ghost": {}}},
        {"edge": {"service": "ghost", "config": "c", "routes": {}}},
        {"edge": {"service": "api", "config": "c", "routes": {"ghost": {"listen": 1, "port": 1}}}},
        {"database": {"service": "ghost", "superuser": "p", "name": "d", "revision": "q",
                      "owner": {"role": "o", "password": "O"},
                      "application": {"role": "a", "password": "A"}}},
        {"migrate": {"service": "ghost", "image_of": "api", "command": ["x"]}},
        {"migrate": {"service": "api", "image_of": "ghost", "command": ["x"]}},
        {"migrate": {"service": "api", "image_of": "api", "command": ["x"], "at_start": ["ghost"]}},
    ],
)  # fmt: skip
def test_x_deploy_may_name_only_services_that_exist(deploy):
    error = _refused(lambda: _parse({"api": {"image": "${API_IMAGE}"}}, **deploy))
    assert error.what == "x-deploy names services that do not exist: ghost"


def test_an_empty_list_that_compose_writes_as_null_is_empty():
    migrate = {"service": "api", "image_of": "api", "command": ["x"], "at_start": None}
    stack = _parse({"api": {"image": "${API_IMAGE}"}}, migrate=migrate)
    assert stack.deploy.migrate.at_start == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", {}),
        ("${A}", {"A": None}),
        ("${A:-x}", {"A": "x"}),
        ("${A-x}", {"A": "x"}),
        ("${A:-}", {"A": ""}),
        ("${A:-x} ${A}", {"A": None}),
        ("${A} ${A:-x}", {"A": None}),
        ("${A}${B:-y}", {"A": None, "B": "y"}),
        ("$${A}", {}),
        ("$$$${A}", {}),
        ("$$${A}", {"A": None}),
        ("${A:?must be set}", {"A": None}),
        ("${A?}", {"A": None}),
        ("${A:+on}", {"A": ""}),
        ("$A/$B_2", {"A": None, "B_2": None}),
        ("${A:-${B}}", {"A": "${B}", "B": ""}),
        ("${A:-x${B:-${C:-y}}}", {"A": "x${B:-${C:-y}}", "B": "${C:-y}", "C": "y"}),
        ("${A:-${B:-${C:-${D}}}}/$F",
         {"A": "${B:-${C:-${D}}}", "B": "${C:-${D}}", "C": "${D}", "D": "", "F": None}),
        ("${A:+${B:+${C}}}", {"A": "", "B": "", "C": ""}),
        ("${A:-${B}} ${B}", {"A": "${B}", "B": None}),
        ("${A:?set A or ${B}}", {"A": None}),
        ('${A:-{"k": "${B:-x}"}}', {"A": '{"k": "${B:-x}"}', "B": "x"}),
        ("${A:-$${B}}", {"A": "$${B}"}),
        ("${A:-x", {}),
        ("${A b}", {}),
    ],
)  # fmt: skip
def test_references(text, found):
    assert references(text) == found


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${A}", "1"),
        ("$A", "1"),
        ("${A:-x}", "1"),
        ("${B:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${A:+on}${B:+on}", "on"),
        ("${A:?needed}", "1"),
        ("${B}", ""),
        ("$$A $${A}", "$A ${A}"),
        ("http://${B:-h}:${A}/", "http://h:1/"),
        ("${B:-${C:-${D:-${A}}}}!", "1!"),
        ("${B:-<${C:-[${D:-x${EMPTY:-y}z}]}>}", "<[xyz]>"),
        ("${A:+${B:-${C:-deep}}}", "deep"),
        ("${A:-${B:?never read}}", "1"),
        ("${A:-x", "${A:-x"),
    ],
)
def test_interpolation_as_compose_does_it(text, filled):
    assert interpolate(text, {"A": "1", "EMPTY": ""}) == filled


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$A ${A} ${B:-x} ${B-x} ${B:+x}", ""),
        ("$B ${C}", "B C"),
        ("${B:-${C}}", "C"),
        ("${A:-${C}}", ""),
        ("${B:-${C:-${D:-${E}}}}", "E"),
        ("${A:+${C}} ${B:+${D}}", "C"),
        ("${EMPTY} ${EMPTY?} ${EMPTY-$B}", ""),
        ("${EMPTY:-$B} ${EMPTY:?}", "B EMPTY"),
        # Compose asks for it, whoever reads the default.
        ("${A:-${B:?}}", "B"),
        ("$$B $${B}", ""),
    ],
)
def test_what_would_be_filled_with_nothing(text, names):
    assert unfilled(text, {"A": "1", "EMPTY": ""}) == set(names.split())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("https://${A}/", "A"),
        ("${A}", ""),
        ("${A:-postgres://${B:-app}:${C:-${D:-x}}@db}", "B C D"),
        ("${A:-${E:-redis://${B}}}", "B"),
        ("x ${A}://${B}", ""),
    ],
)
def test_variables_that_are_a_part_of_a_url(text, names):
    assert in_urls(text) == set(names.split())


@pytest.mark.parametrize(
    ("body", "start_first"),
    [
        ({}, False),
        ({"deploy": {"update_config": {"order": "start-first"}}}, True),
        ({"deploy": {"update_config": {"order": "stop-first"}}}, False),
        ({"deploy": None}, False),
    ],
)
def test_the_order_of_a_replacement(body, start_first):
    assert _service(**body).start_first is start_first


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("1m0s", 60), ("1h", 3600), ("500ms", 10), (None, 10)],
)
def test_the_time_to_stop(text, seconds):
    body = {"stop_grace_period": text} if text else {}
    assert _service(**body).stop_grace == seconds


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [
        ("256m", 256),
        ("2g", 2048),
        ("1GB", 1024),
        ("1048576", 1),
        ("1024k", 1),
        ("lots", 0),
        ("1.5g", 1536),
        ("0.5G", 512),
        ("512MiB", 512),
        ("1t", 2**20),
        ("${MEM:-64m}", 64),
        ("${MEM}", 0),
    ],
)
def test_the_memory_of_a_copy(text, mebibytes):
    body = {"deploy": {"resources": {"reservations": {"memory": text}}}}
    assert _service(**body).reservation_mb == mebibytes


@pytest.mark.parametrize(
    ("port", "published"),
    [
        ("8003:8003", ["8003"]),
        ("127.0.0.1:8003:80", ["8003"]),
        ("${PORT:-8003}:80", ["${PORT:-8003}"]),
        ("127.0.0.1:${PORT}:80", ["${PORT}"]),
        ("80", []),
        ("3478:3478/udp", []),
        ({"published": "8003", "target": 80}, ["8003"]),
        ({"target": 80}, []),
    ],
)
def test_published_tcp_ports(port, published):
    stack = _parse({"api": {"image": "${API_IMAGE}", "ports": [port]}})
    assert [p for _, p in stack.ports] == published


@pytest.mark.parametrize(
    ("port", "alone"),
    [
        ("3478:3478/udp", "3478"), ({"published": "53", "target": 53, "protocol": "udp"}, "53"),
        ("7000-7009:80", ""), ("80", ""),
    ],
)  # fmt: skip
def test_a_port_of_any_protocol_is_one_containers_alone(port, alone):
    found = _service(ports=[port]).alone
    assert found.startswith(f"it publishes {alone} itself") if alone else not found


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        ("postgres://u:${P}@h/d", {"P"}),
        ("https://${HOST}/", {"HOST"}),
        ("${URL:-https://example.org}", set()),
        ("${P}", set()),
        (None, set()),
    ],
)
def test_variables_inside_a_url(value, inside):
    stack = _parse({"api": {"image": "${API_IMAGE}", "environment": {"X": value}}})
    assert stack.in_urls == inside


@pytest.mark.parametrize(
    ("body", "overrides"),
    [({}, False), ({"command": None}, False), ({"command": ["x"]}, True),
     ({"entrypoint": ["x"]}, True)],
)  # fmt: skip
def test_a_command_of_its_own(body, overrides):
    assert _service(**body).overrides_command is overrides


def test_services_that_the_order_does_not_name_come_first():
    services = {n: {"image": f"${{{n.upper()}_IMAGE}}"} for n in ("a", "b", "c")}
    assert [s.name for s in _parse(services, order=["c", "a"]).ordered] == ["b", "c", "a"]


def test_whose_volumes_are_those_of_a_service_that_names_its_user(compose_config):
    config = copy.deepcopy(compose_config)
    config["services"]["bot"]["volumes"] = [
        {"type": "volume", "source": "tls-data", "target": "/certs"},
        {"type": "volume", "source": "own", "target": "/own"},
    ]
    config["volumes"]["own"] = {}
    stack = parse_stack("", config, "compose.yml")
    assert (stack.user("tls"), stack.user("bot")) == ("10001:10001", "")
    assert stack.own_volumes("tls") == ()
    assert [path for _, path in stack.own_volumes("bot")] == ["/own"]
    assert [path for _, path in stack.own_volumes("postgres")] == ["/var/lib/postgresql/data"]
