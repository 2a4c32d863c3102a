"""How far images are on their way, in words: bytes where they are known, and never a guess."""

from __future__ import annotations

import pytest

from deployments.build.pushes import Pushes
from deployments.build.transfers import Sending, SentLayer, amount
from deployments.host.pulls import Pulls

API, BOT = "ghcr.io/acme/api@sha256:1", "ghcr.io/acme/bot@sha256:2"
A, B, C = "a" * 12, "b" * 12, "c" * 12


@pytest.mark.parametrize(
    ("done", "total", "words"),
    [
        (41_900_000, 117_600_000, "41 of 118 MB"), (0, 999, "0 of 1 kB"),
        (1_200, 400_000, "1 of 400 kB"), (5, 5, "0 of 1 kB"),
    ],
)  # fmt: skip
def test_an_amount_never_says_more_than_is_done(done: int, total: int, words: str) -> None:
    assert amount(done, total) == words


# -- pulls ----------------------------------------------------------------------------


def pulled(*lines: str) -> Pulls:
    pulls = Pulls({API: "api", BOT: "bot"})
    assert all(pulls.see(f"layer {line}") for line in lines)
    return pulls


def test_layers_are_counted_until_their_sizes_are_known() -> None:
    pulls = pulled(
        f"{API} {A}: Pulling fs layer", f"{API} {B}: Pulling fs layer",
        f"{BOT} {C}: Pulling fs layer", f"{API} {A}: Download complete",
    )  # fmt: skip
    assert str(pulls) == "api 1 of 2 layers, bot 0 of 1 layers"
    pulls.learn({f"sha256:{A}{'0' * 52}": 41_000_000, f"sha256:{B}{'0' * 52}": 77_000_000})
    assert str(pulls) == "api 41 of 118 MB, bot 0 of 1 layers"


def test_what_has_arrived_is_unpacked_and_what_is_unpacked_is_shown_no_more() -> None:
    pulls = pulled(
        f"{API} {A}: Pulling fs layer", f"{API} {A}: Download complete",
        f"{BOT} {C}: Pulling fs layer",
    )  # fmt: skip
    assert str(pulls) == "api is unpacked, bot 0 of 1 layers"
    assert pulls.see(f"layer {API} {A}: Pull complete")
    assert str(pulls) == "bot 0 of 1 layers"
    assert pulls.unfinished == [BOT]


def test_a_layer_whose_end_is_all_that_was_heard_has_arrived() -> None:
    assert str(pulled(f"{API} {A}: Pull complete")) == ""


@pytest.mark.parametrize(
    "line",
    [
        "", "layer", f"layer other@sha256:1 {A}: Pull complete", f"layer {API} {A}: Extracting",
        f"layer {API} {'A' * 12}: Pull complete", f"layer {API} {A}: Pull complete\x1b[2J",
    ],
)  # fmt: skip
def test_a_line_of_another_form_tells_nothing(line: str) -> None:
    assert not Pulls({API: "api"}).see(line)


# -- pushes ---------------------------------------------------------------------------

LINES = f"""\
#8 exporting to image
#9 pushing localhost:5000/t/api:in-1 with docker
#9 pushing layer {A} 98.82kB / 9.00MB 0.0s
#9 pushing layer {B}
#9 pushing layer {A} 5.11MB / 9.00MB 0.1s
#9 pushing layer {B} 6.00MB / 20.00MB 0.4s
#9 pushing layer {A} 0.5s done
#9 pushing layer {B} 21.45MB / 20.00MB 0.6s
#9 pushing layer {C} 0.1s done
#9 DONE 7.0s
""".splitlines()


def test_what_an_engines_builder_says_of_layers_is_summed() -> None:
    pushes, sending, shown = Pushes(), Sending(), []
    for line in LINES:
        if sent := pushes.sent(line):
            tag, layer = sent
            sending.see(tag.partition("/t/")[2], layer)
            shown.append(str(sending))
        if pushes.ended(line):
            sending.end("api:in-1")
    assert shown == [
        "api:in-1 0 of 9 MB", "", "api:in-1 5 MB so far", "api:in-1 11 of 29 MB",
        "api:in-1 15 of 29 MB", "api:in-1 29 of 29 MB", "api:in-1 29 of 29 MB",
    ]  # fmt: skip
    assert str(sending) == ""


def test_layers_that_the_registry_has_are_not_counted() -> None:
    sending = Sending()
    sending.see("api", SentLayer(A, 0, None))
    sending.see("api", SentLayer(A, 0, None, ended=True))
    assert str(sending) == ""


def test_a_layer_of_no_push_that_began_tells_nothing() -> None:
    assert Pushes().sent(f"#9 pushing layer {A} 1.00MB / 9.00MB 0.0s") is None
    assert Pushes().sent("#9 pushing layers 3.4s done") is None
