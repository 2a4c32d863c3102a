"""What a Prefect server must know of us, compared with what it knows, and made so.

`apply` is the only entry: `homeguru setup`, `homeguru control-plane up` and the local Prefect
of the demo call it. A second run sends nothing but questions.
"""

from infra.orchestration.setup.apply import POOL_KINDS, apply, pools_of
from infra.orchestration.setup.changes import SetupChange
from infra.orchestration.setup.workers import how_to_start, workers

__all__ = [
    "POOL_KINDS", "SetupChange", "apply", "how_to_start", "pools_of", "workers",
]  # fmt: skip
