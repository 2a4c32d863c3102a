"""Every kind of script, for tests of what a hostile word does in it."""

from __future__ import annotations

from dataclasses import replace

from deployments.compose.extension import Log
from deployments.shell import (
    database,
    files,
    images,
    lock,
    maintenance,
    observe,
    probe,
    together,
)
from deployments.shell.edge import reload_edge
from deployments.shell.quote import Script
from deployments.shell.replace import (
    Backend,
    Replacement,
    let_former_go,
    prepare_image,
    recreate_service,
    remove_service,
    replace_service,
)
from deployments.shell.status_page import renew_page
from deployments.shell.together import Member


def replacement(service="api", **changes):
    fields = {
        "service": service, "variable": "API_IMAGE", "image": "reg/api@sha256:1",
        "config_hash": "abc", "start_first": True, "healthy_within": 180, "grace": 30,
    }  # fmt: skip
    return Replacement(**{**fields, **changes})


def every_script(environment, stack, word):
    """Every kind of script, with `word` wherever a name comes from outside."""
    body = Script(f"printf '%s' {word!r}")
    what = replacement(word, variable="API_IMAGE", image=word, config_hash=word)
    member = Member(replace(what, ready=(word, word), volumes=("v:/a",)), Backend(word, 1, 30))
    return {
        "observe": observe.observe(environment, stack),
        "candidate": observe.read_candidate_script(environment, word, "former"),
        "read": observe.read_files(environment, [word, "current"]),
        "session": lock.hold_session(environment, word, word, word),
        "guarded": lock.guarded(environment, word, word, word, word, word, body),
        "stop work": lock.stop_work(environment, word),
        "install": files.install(word, word, word),
        "restore": files.restore(word, word),
        "remove": files.remove_project(),
        "record": files.record(word, word, word, word, word),
        "close": files.close(word, word),
        "pull ahead": images.pull_ahead([word, "b"], 1, word, (word, word)),
        "pull": images.pull([word, "b"], word, (word, word, word)),
        "roles": database.prepare_roles(word, word, word, (word, word), (word, word)),
        "migrate": database.migrate(
            database=(word, word, word, word), service=word, variable="API_IMAGE", image=word,
            command=(word, word), timeout=9,
        ),
        "routed": replace_service(what, Backend(word, 1, 30)),
        "plain": replace_service(replace(what, ready=(word, word), volumes=("v:/a", "w:/b")), None),
        "start together": together.start_together([member, Member(replace(what, service="b"), None)]),
        "drain together": together.drain_together([member]),
        "prepare": prepare_image(replace(what, volumes=("v:/a",)), (word, word), 9),
        "last words": probe.last_words(environment, [word]),
        "let go": let_former_go(what, Backend(word, 1, 30)),
        "up": recreate_service(what),
        "reload": reload_edge(word),
        "maintenance on": maintenance.switch_edge(word, word, [1], on=True, then=maintenance.note(word)),
        "maintenance again": maintenance.note_again(word),
        "status page": renew_page(word, word, word),
        "remove one": remove_service(word),
        "probe": probe.probe(environment, [(word, word, (word,)), (word, word, ())], [(word, Log(must_not=(word,), files=(word,)))]),
        "logs": probe.tail_logs(environment, probe.Tail((word,), 20, word, follow=True)),
    }  # fmt: skip
