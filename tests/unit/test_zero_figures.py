"""The figures of `make zero`: how long nobody asked Telegram for updates."""

import pytest

from tests.e2e.zero.figures import without_poller


@pytest.mark.parametrize(
    ("polls", "seconds"),
    [
        ([(0, 12), (12, 30)], 0),
        ([(0, 12), (15, 30)], 3),
        ([(0, 12), (13, 15), (17, 30)], 2),
        # Before the path, and after it, is not its own.
        ([(0, 2), (8, 12), (12, 21), (29, 30)], 0),
        ([(0, 12), (15, None)], 3),
        # A second poller at the same time fills no gap twice.
        ([(0, 14), (11, 12), (15, 30)], 1),
        # The server came back before its bot: the gap goes on after the path's end.
        ([(0, 12), (28, None)], 16),
        ([(0, 12)], 18),
        ([], 20),
    ],
)
def test_the_longest_time_without_a_poller(polls, seconds) -> None:
    assert without_poller(polls, begin=10, end=20, now=30) == seconds
