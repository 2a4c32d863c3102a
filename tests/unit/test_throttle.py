"""Wrong passwords by address: how many, for how long, and how much is remembered."""

from __future__ import annotations

import pytest

from infra.control.throttle import REMEMBERED, WITHIN, WRONG, Throttle, client


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wrong(throttle: Throttle, address: str, times: int = WRONG) -> None:
    for _ in range(times):
        throttle.wrong(address)


def test_the_tenth_wrong_password_is_the_last_for_a_while(clock: Clock) -> None:
    throttle = Throttle(clock)
    wrong(throttle, "192.0.2.1", WRONG - 1)
    assert throttle.wait("192.0.2.1") == 0
    clock.now += 60
    throttle.wrong("192.0.2.1")
    assert throttle.wait("192.0.2.1") == WITHIN - 60
    assert throttle.wait("192.0.2.2") == 0
    clock.now += WITHIN - 60 - 1
    assert throttle.wait("192.0.2.1") == 1
    clock.now += 1
    assert throttle.wait("192.0.2.1") == 0


def test_one_more_wrong_password_after_the_wait_counts_with_those_that_are_recent(
    clock: Clock,
) -> None:
    throttle = Throttle(clock)
    throttle.wrong("192.0.2.1")
    clock.now += 600
    wrong(throttle, "192.0.2.1", WRONG - 1)
    clock.now += 300
    assert throttle.wait("192.0.2.1") == 0
    throttle.wrong("192.0.2.1")
    assert throttle.wait("192.0.2.1") == 600


def test_passwords_that_are_wrong_now_and_then_never_count_together(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(5 * WRONG):
        throttle.wrong("192.0.2.1")
        assert throttle.wait("192.0.2.1") == 0
        clock.now += WITHIN / (WRONG - 1)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)  # fmt: skip
def test_an_address_of_ipv6_is_counted_with_its_neighbours(address: str, counted: str) -> None:
    assert client(address) == counted


def test_a_client_of_ipv6_does_not_begin_anew_with_each_address(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(WRONG):
        throttle.wrong(f"2001:db8:1:2::{number:x}")
    assert throttle.wait("2001:db8:1:2:ffff::1") == WITHIN
    assert throttle.wait("2001:db8:1:3::1") == 0
    assert len(throttle) == 1


@pytest.mark.parametrize("address", ["", "unknown", "192.0.2.1, 192.0.2.2", "192.0.2.1:80"])
def test_what_is_no_address_is_not_counted_as_one(address: str) -> None:
    throttle = Throttle()
    with pytest.raises(ValueError, match="address"):
        throttle.wait(address)
    with pytest.raises(ValueError, match="address"):
        throttle.wrong(address)
    assert len(throttle) == 0


def test_many_addresses_do_not_fill_the_memory(clock: Clock) -> None:
    throttle = Throttle(clock, remembered=100)
    for number in range(1000):
        clock.now += 0.001
        throttle.wrong(f"10.0.{number // 256}.{number % 256}")
    assert len(throttle) == 100
    # Whoever was seen last is still known.
    wrong(throttle, "10.0.3.231", WRONG - 1)
    assert throttle.wait("10.0.3.231") > 0
    assert Throttle().remembered == REMEMBERED


def test_an_address_holds_no_more_than_what_counts(clock: Clock) -> None:
    throttle = Throttle(clock)
    wrong(throttle, "192.0.2.1", 10 * WRONG)
    assert [len(times) for times in throttle._wrong.values()] == [WRONG]


def test_what_counts_no_more_is_forgotten(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(50):
        throttle.wrong(f"192.0.2.{number}")
    clock.now += WITHIN
    throttle.wrong("192.0.2.200")
    assert len(throttle) == 1
