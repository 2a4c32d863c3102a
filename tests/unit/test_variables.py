"""Variables and secrets: what is wanting is named, and env files are read back exactly."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from deployments.compose.env_file import parse_env, parse_secrets, render_env, with_secret
from deployments.compose.reader import parse_stack
from deployments.compose.variables import OF_THE_SERVER, changed_names, configuration, how_to_give
from deployments.errors import WrongUse
from deployments.shell.quote import functions

PEM = "-----BEGIN PRIVATE KEY-----\nMIIE+/$x\\n=\nabc==\n-----END PRIVATE KEY-----"
AWKWARD = [
    PEM,
    "", "plain", "two words", " kept spaces ", "it's", "''", "'", '"', 'say "x"', "both ' and \"",
    "$HOME", "${HOME}", "${HOME:-x}", "a$", "$$", "it's $HOME", "it's ${HOME}", "it's $$",
    "back\\slash", "\\n stays two letters", "it's \\n", "ends in \\", "\\", "\\\\", "\\'", "'\\",
    "it's \\$x", "\\\\'$", "#hash", "a # b", "it's # b", "a=b=", "`id`", "$(id)", "!", "%s %d",
    "\ttab\t", "Привет", "line\u2028separator", "next\x85line", "form\x0cfeed",
    "two\nlines\n", "-----BEGIN X-----\r\nit's \\n $HOME \"q\"\r\n", "\n",
]  # fmt: skip


def _stack(variables, **more):
    body = {"image": "${API_IMAGE}", "environment": variables, **more}
    return parse_stack("", {"services": {"api": body}, "x-deploy": {"v": 1}}, "compose.yml")


def _wanting(make_environment, stack, values=(), names=None, **changes) -> str:
    """What is said of secrets with these values, and of names that have none."""
    values = dict(values)
    environment = make_environment(secrets={"names": names or sorted(values)}, **changes)
    with pytest.raises(WrongUse) as caught:
        configuration(environment, stack, values, "prod.toml")
    assert caught.value.where == "prod.toml"
    return caught.value.what


def test_a_variable_without_value_or_default_is_missing(make_environment):
    assert _wanting(make_environment, _stack({"A": "${A}"})) == "variable A is missing"


def test_a_variable_with_a_default_may_be_left_out(make_environment):
    environment = make_environment(secrets={})
    found = configuration(environment, _stack({"A": "${A:-x}"}), {}, "prod.toml")
    assert found.variables == {}


def test_a_variable_that_no_service_uses_is_refused_with_the_nearest_name(make_environment):
    environment = make_environment(secrets={}, variables={"LLM_MODELL": "x"})
    with pytest.raises(WrongUse) as caught:
        configuration(environment, _stack({"A": "${LLM_MODEL:-y}"}), {}, "prod.toml")
    assert caught.value.what == (
        "variable LLM_MODELL is used nowhere in the Compose file, and LLM_MODEL is"
    )
    assert 'allow it: unused = ["LLM_MODELL"]' in caught.value.todo


def test_a_secret_that_no_service_uses_is_refused_too(make_environment):
    stack = _stack({"A": "${API_KEY:-}"})
    said = _wanting(make_environment, stack, {"API_KEYS": "x1"})
    assert said == "secret API_KEYS is used nowhere in the Compose file, and API_KEY is"
    assert _wanting(make_environment, stack, {"ZZZ": "x1"}) == (
        "secret ZZZ is used nowhere in the Compose file"
    )


def test_an_image_is_not_chosen_by_a_variable_that_the_deploy_fills(make_environment):
    said = _wanting(make_environment, _stack({}), variables={"API_IMAGE": "x"})
    assert said == "variable API_IMAGE is filled by the deploy itself"


def test_names_that_are_used_elsewhere_or_allowed_pass(make_environment):
    """The registry's login, a service that is left out, what a former release needs."""
    login = {"user": "REGISTRY_USER", "token": "REGISTRY_TOKEN"}
    names = ["REGISTRY_USER", "REGISTRY_TOKEN", "OLD", "BOT_TOKEN"]
    environment = make_environment(
        secrets={"names": names}, login=login, unused=["OLD", "NOTE"], variables={"NOTE": "x"}
    )
    bot = {"image": "${BOT_IMAGE}", "environment": {"T": "${BOT_TOKEN}"}}
    config = {"services": {"api": {"image": "${API_IMAGE}"}, "bot": bot}, "x-deploy": {"v": 1}}
    stack = parse_stack("", config, "compose.yml").without({"bot"})
    found = configuration(environment, stack, dict.fromkeys(names, "x1"), "prod.toml")
    assert found.secrets.keys() == set(names)


def test_the_next_step_fits_what_is_wrong(make_environment):
    environment = make_environment(secrets={"names": ["KEY"]}, compose="own.yml")
    with pytest.raises(WrongUse) as caught:
        configuration(environment, _stack({"A": "${KEY} ${B}"}), {}, "prod.toml", "/etc/s.env")
    assert caught.value.what == "variable B is missing; secret KEY is missing"
    assert caught.value.todo == (
        "give each missing variable a value under [variables]; give KEY a value, in one of: "
        "a variable of this process, a line NAME=value in /etc/s.env, "
        "Prefect's Secret block homeguru-prod-key"
    )


def test_a_secret_that_is_not_named_yet_is_named_first(make_environment):
    environment = make_environment(secrets={"names": ["A"]})
    assert how_to_give(environment, ["TOKEN"], "").startswith(
        "add TOKEN to `names` of [secrets], and give TOKEN a value"
    )


NESTED = "${DATABASE_URL:-postgres://${DB_USER:-app}:${DB_PASSWORD:-${PGPASSWORD:-${LAST}}}@db/app}"


@pytest.mark.parametrize("name", ["DATABASE_URL", "DB_PASSWORD", "PGPASSWORD", "LAST"])
def test_a_secret_reaches_compose_from_whatever_depth_of_a_default(make_environment, name):
    stack = _stack({"URL": NESTED})
    environment = make_environment(secrets={"names": [name]})
    found = configuration(environment, stack, {name: "s3cret"}, "prod.toml")
    assert name in found.secrets
    assert name in stack.references
    assert name in stack.uses["api"]


def test_a_default_of_a_default_without_a_value_is_missing(make_environment):
    assert _wanting(make_environment, _stack({"URL": NESTED})) == "variable LAST is missing"


def test_a_replacement_that_is_read_needs_its_variable(make_environment):
    stack = _stack({"A": "${A:+${B}}"})
    assert _wanting(make_environment, stack, {"A": "x1"}) == "variable B is missing"
    configuration(make_environment(secrets={}), stack, {}, "prod.toml")


def test_a_part_of_a_url_in_a_default_must_be_safe_there(make_environment):
    said = _wanting(make_environment, _stack({"URL": NESTED}), {"PGPASSWORD": "p@ss"})
    assert said == "secret PGPASSWORD stands inside a URL: use letters, digits and . _ ~ - only"


def test_what_compose_names_beyond_our_grammar_is_a_variable_of_every_service():
    config = {"services": {"api": {"image": "${API_IMAGE}"}}, "x-deploy": {"v": 1}}
    stack = parse_stack("", config, "compose.yml", {"API_IMAGE", "ODD"})
    assert stack.references == {"API_IMAGE": None, "ODD": ""}
    assert stack.uses["api"] == {"API_IMAGE", "ODD"}


def test_the_deploys_own_image_variables_are_not_asked_for(make_environment):
    configuration(make_environment(secrets={}), _stack({}), {}, "prod.toml")


def test_a_secret_is_missing_even_with_a_default(make_environment):
    stack = _stack({"A": "${A:-x}"})
    assert _wanting(make_environment, stack, names=["A"]) == "secret A is missing"


def test_a_secret_that_no_service_uses_is_checked_as_well(make_environment):
    assert _wanting(make_environment, _stack({}), {"TOKEN": ""}) == "secret TOKEN is empty"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "secret A is empty"),
        ("  ", "secret A is empty"),
        ("changeme", "secret A still holds the template's placeholder"),
        ("CHANGE-ME-please", "secret A still holds the template's placeholder"),
        ("<token>", "secret A still holds the template's placeholder"),
        ("your_token", "secret A still holds the template's placeholder"),
        ("xxxx", "secret A still holds the template's placeholder"),
        ("TODO", "secret A still holds the template's placeholder"),
        ("one\n", "secret A ends in a line break"),
        ("one\r", "secret A ends in a line break"),
        ("zero\0byte", "secret A holds a zero byte"),
    ],
)
def test_a_secret_that_cannot_be_meant(make_environment, value, said):
    assert _wanting(make_environment, _stack({"A": "${A}"}), {"A": value}) == said


@pytest.mark.parametrize("value", ["p@ss", "a/b", "a:b", "a b", "50%", "a#b", "é"])
def test_a_secret_inside_a_url_must_be_safe_there(make_environment, value):
    stack = _stack({"URL": "postgresql://app:${PASSWORD}@db/x", "TOKEN": "${TOKEN}"})
    secrets = {"PASSWORD": value, "TOKEN": value}
    assert _wanting(make_environment, stack, secrets) == (
        "secret PASSWORD stands inside a URL: use letters, digits and . _ ~ - only"
    )


@pytest.mark.parametrize("value", ["shop.example.org:8443", "[2001:db8::1]:80", "v1/api"])
def test_a_variable_may_be_a_part_of_a_url_with_its_signs(make_environment, value):
    stack = _stack({"URL": "https://${HOST}/x"})
    configuration(make_environment(secrets={}, variables={"HOST": value}), stack, {}, "prod.toml")


@pytest.mark.parametrize("value", ["a b", "a?b", "a@b", "é"])
def test_a_variable_inside_a_url_has_no_other_signs(make_environment, value):
    said = _wanting(
        make_environment, _stack({"URL": "https://${HOST}/x"}), variables={"HOST": value}
    )
    assert said.startswith("variable HOST stands inside a URL: use letters, digits and . _ ~ - : /")


@pytest.mark.parametrize("more", [{"variables": {"HOME": "/data"}}, {}])
def test_a_name_for_which_the_server_has_its_own_value_is_refused(make_environment, more):
    said = _wanting(make_environment, _stack({"DATA": "${HOME:-/data}"}), **more)
    assert said == (
        "variable HOME is the server's own, which Compose takes before any file's: "
        "call it otherwise, APP_HOME for one"
    )


def test_the_names_that_a_server_keeps_are_those_that_are_refused():
    script = functions("prelude_enter")
    kept = [line.partition(")")[0] for line in script.splitlines() if line.strip().endswith(") ;;")]
    assert {name for line in kept for name in line.split() if name != "|"} == OF_THE_SERVER


def test_variables_are_checked_like_secrets_and_all_at_once(make_environment):
    stack = _stack({"A": "${A}", "B": "${B}", "C": "${C}"})
    said = _wanting(make_environment, stack, {"C": "todo"}, variables={"A": ""})
    assert said == (
        "variable A is empty; variable B is missing; "
        "secret C still holds the template's placeholder"
    )


@pytest.mark.parametrize(
    ("file", "todo"),
    [("/a/prod.secrets.env", "set A, C in /a/prod.secrets.env; "), ("", "")],
)
def test_an_empty_secret_is_set_in_the_secrets_file(make_environment, file, todo):
    environment = make_environment(secrets={"names": ["A", "B", "C"]}, compose="compose.yml")
    stack = _stack({"A": "${A}", "B": "${B}", "C": "${C}"})
    with pytest.raises(WrongUse) as wrong:
        configuration(environment, stack, {"A": "", "B": "todo", "C": " "}, "prod.toml", file)
    assert wrong.value.todo == f"{todo}correct what is named"
    if file:
        with pytest.raises(WrongUse) as wrong:
            configuration(environment, stack, {"A": "", "B": "b", "C": "c"}, "prod.toml", file)
        assert wrong.value.todo == "set A in /a/prod.secrets.env"


def test_a_variable_that_nothing_refers_to_is_checked_too(make_environment):
    """It goes into the env file all the same."""
    said = _wanting(make_environment, _stack({}), variables={"NOTE": ""})
    assert said == "variable NOTE is empty"


def test_a_value_of_several_lines_is_one_line_of_the_file():
    """The scripts on the host read it line by line: a second one would be a second variable."""
    assert render_env({"NOTE": "x\nAPI_IMAGE=evil"}) == 'NOTE="x\\nAPI_IMAGE=evil"\n'


def test_a_value_of_several_lines_is_no_password_of_the_database(make_environment):
    database = {
        "service": "api", "name": "d", "superuser": "postgres", "revision": "select 1",
        "owner": {"role": "o", "password": "A"}, "application": {"role": "p", "password": "B"},
    }  # fmt: skip
    config = {
        "services": {"api": {"image": "${API_IMAGE}"}},
        "x-deploy": {"v": 1, "database": database},
    }
    stack = parse_stack("", config, "compose.yml")
    said = _wanting(make_environment, stack, {"A": "two\nlines", "B": "one"})
    assert said == "secret A holds a line break, and is a password of the database"


def test_a_secret_of_the_compose_file_is_named_under_secrets_and_may_end_in_a_line_break(
    make_environment,
):
    config = {
        "services": {"api": {"image": "${API_IMAGE}", "secrets": [{"source": "key"}]}},
        "secrets": {"key": {"environment": "KEY"}}, "x-deploy": {"v": 1},
    }  # fmt: skip
    stack = parse_stack("", config, "compose.yml")
    assert _wanting(make_environment, stack, variables={"KEY": "x"}) == (
        "KEY is the value of a secret of the Compose file: name it in [secrets], not in [variables]"
    )
    environment = make_environment(secrets={"names": ["KEY"]})
    assert configuration(environment, stack, {"KEY": "x\n"}, "prod.toml").secrets["KEY"]


def test_a_port_that_is_none_is_told_before_a_server_is_asked(make_environment):
    stack = _stack({}, ports=["${PORT:-8003}:8003"])
    said = _wanting(make_environment, stack, variables={"PORT": "80o3"})
    assert said == "api publishes '80o3', which is no port"


def test_a_password_of_the_database_is_no_plain_variable(make_environment, stack):
    """Records of releases keep plain variables; and the roles need it, whoever else does."""
    names = make_environment().secrets.names
    secrets = {name: "a1b2c3d4e5f6" for name in names if name != "DATABASE_OWNER_PASSWORD"}
    said = _wanting(
        make_environment, stack, secrets, variables={"DATABASE_OWNER_PASSWORD": "a1b2c3d4e5f6"}
    )
    assert said == (
        "DATABASE_OWNER_PASSWORD is a password of the database: "
        "name it in [secrets], not in [variables]"
    )


def test_a_name_is_a_variable_or_a_secret(make_environment):
    said = _wanting(make_environment, _stack({"A": "${A}"}), {"A": "x1"}, variables={"A": "x2"})
    assert said == "A is in [variables] and in [secrets]"


def test_the_production_file_asks_for_its_secrets(make_environment, stack):
    names = make_environment().secrets.names
    said = _wanting(make_environment, stack, names=list(names))
    assert said.split("; ") == [f"secret {name} is missing" for name in sorted(names)]


def test_secrets_are_not_shown(make_environment):
    environment = make_environment(secrets={"names": ["A"]})
    found = configuration(environment, _stack({"A": "${A}"}), {"A": "hunter2"}, "prod.toml")
    assert found.secrets["A"].get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found)
    assert "hunter2" not in str(found.secrets)


def test_an_env_file_is_sorted_and_quoted():
    values = {"B": "it's", "A": "$x", "C": SecretStr("s3cret")}
    assert render_env(values) == "A='$x'\nB=\"it's\"\nC='s3cret'\n"


@pytest.mark.parametrize("value", AWKWARD)
def test_an_env_file_is_read_back(value):
    assert parse_env(render_env({"A": value, "B": "x"})) == {"A": value, "B": "x"}


def test_a_persons_secrets_file():
    text = "# comment\n\n A = 1 \nB='two words'\nC=\"x\"\nD=a=b\nE='\nF=\n"
    expected = {"A": "1", "B": "two words", "C": "x", "D": "a=b", "E": "'", "F": ""}
    assert parse_secrets(text, "secrets.env") == expected


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("after", ["", "  ", " # the service account's"])
def test_a_value_of_several_lines_stands_in_quotes(make_environment, quote, after):
    """And it reaches the service as it is."""
    text = f"A=1\nKEY={quote}{PEM}{quote}{after}\nB={quote}2{quote}\n"
    found = parse_secrets(text, "secrets.env")
    assert found == {"A": "1", "KEY": PEM, "B": "2"}
    environment = make_environment(secrets={"names": ["KEY"]})
    given = configuration(environment, _stack({"KEY": "${KEY}"}), {"KEY": found["KEY"]}, "p.toml")
    assert parse_env(render_env(given.secrets)) == {"KEY": PEM}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A='open\nB='x'\n", {"A": "'open", "B": "x"}), ("A=\"open\nB=2\n", {"A": '"open', "B": "2"}),
        ("A='\n\n# no comment\n x '\nB=2\n", {"A": "\n\n# no comment\n x ", "B": "2"}),
    ],
)  # fmt: skip
def test_a_quote_that_no_line_closes_is_a_character(text, values):
    assert parse_secrets(text, "secrets.env") == values


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("value # comment", "value"),
        ("value#no-comment", "value#no-comment"),
        ("#x", "#x"),
        ('"quoted" # comment', "quoted"),
        ("'single' # it's a comment", "single"),
        ('"x # y"', "x # y"),
        ('"a" # say "b"', "a"),
        ("it's # c", "it's"),
        ('"a"b" # c', 'a"b'),
        ("pa$word", "pa$word"),
    ],
)
def test_a_comment_after_a_value_is_none_of_it(raw, value):
    """As Compose reads it, but that a dollar sign is one: a password is no template."""
    assert parse_secrets(f"A={raw}\n", "secrets.env") == {"A": value}


def test_an_env_file_that_a_person_wrote_is_read_as_compose_does():
    text = "A=x # why\nexport B=\"y\" # z\n C = 'it' # d\nD=a#b\n# E=1\nF=\n"
    assert parse_env(text) == {"A": "x", "B": "y", "C": "it", "D": "a#b", "F": ""}


@pytest.mark.parametrize("line", ["export A=1", "just words", "1A=x", "=x"])
def test_a_line_of_a_secrets_file_that_is_not_one(line):
    with pytest.raises(WrongUse) as caught:
        parse_secrets(f"A=hunter2\n{line}\n", "secrets.env")
    assert caught.value.what == "line 2 is not NAME=value"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {}, []),
        ({"A": "1"}, {"A": "1"}, []),
        ({"A": "1"}, {"A": "2"}, ["A"]),
        ({"B": "1"}, {"A": "1"}, ["A", "B"]),
    ],
)
def test_changed_names(before, after, names):
    assert changed_names(before, after) == names


@pytest.mark.parametrize(
    "value",
    ["plain", "with space # and hash", "it's", 'say "x"', "  edges  ", "two\nlines", "a\\b$c"],
)
def test_a_secrets_file_takes_another_value_of_one(value):
    text = "# mine\nA=1\nexport='x'\nPEM='one\ntwo'\nB=\"2\"  # why\n"
    for name in ("A", "PEM", "NEW"):
        written = with_secret(text, name, value, "f")
        assert parse_secrets(written, "f") == {**parse_secrets(text, "f"), name: value}
        assert written.startswith("# mine\n")
        assert "  # why" in written


def test_a_value_that_no_line_can_hold_is_refused():
    with pytest.raises(WrongUse, match="read as something else"):
        with_secret("A=1\n", "A", "one\nB='two", "f")


def test_ends_of_lines_stay():
    assert with_secret("A=1\r\nB=2\r\n", "A", "3", "f") == "A=3\r\nB=2\r\n"
