"""How a flow's function ended counts, whatever Prefect's server made of its run."""

from __future__ import annotations

import pytest

from deployments.errors import Refused
from infra.orchestration.flow.process import _Ends


class SaidByTheServer(Exception):
    """As Prefect's own, of a run that the server ended."""


def test_a_refusal_is_told_where_the_server_ended_the_run_first() -> None:
    ends, refused = _Ends(), Refused("nobody approved the plan within 1 min")

    def refuse() -> None:
        raise refused

    with pytest.raises(Refused):
        ends.of(refuse)()
    assert ends.own(SaidByTheServer("The flow was paused and never resumed.")) is refused


def test_what_is_nobodys_own_stays_what_it_is() -> None:
    said = SaidByTheServer("crashed")
    assert _Ends().own(said) is said
