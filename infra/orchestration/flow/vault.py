"""Prefect Secret blocks as a source of secrets: `homeguru-<environment>-<name>`."""

from __future__ import annotations

import json

from deployments.compose.variables import block_name


class Blocks:
    """Secret blocks of the Prefect server that this run reports to."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self.where = f"Prefect's blocks homeguru-{environment}-*"

    def get(self, name: str) -> str | None:
        """The block's value, or None when there is none for the account of this run."""
        from prefect.blocks.system import Secret
        from prefect.exceptions import PrefectHTTPStatusError

        try:
            block = Secret.load(block_name(self._environment, name))
        except ValueError:
            return None
        except PrefectHTTPStatusError as error:
            # An account that only reports runs may read no blocks: its secrets are elsewhere.
            if error.response.status_code != 403:
                raise
            return None
        # Its own `get` would take what looks like JSON apart: a key in that form, a number, `true`.
        value = block.value.get_secret_value()  # type: ignore[union-attr]
        return value if isinstance(value, str) else json.dumps(value)

    def put(self, name: str, value: str) -> None:
        """Write a value into the block."""
        from prefect.blocks.system import Secret

        Secret(value=value).save(block_name(self._environment, name), overwrite=True)  # type: ignore[arg-type]
