"""Secret blocks of a real Prefect server as a place in which a rotation writes."""

from __future__ import annotations

import json

import pytest
from prefect.blocks.system import Secret

from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse
from infra.environment.locate import Located
from infra.environment.secrets import writable
from infra.orchestration.flow.vault import Blocks
from tests.builders import toml

__all__ = ["toml"]

pytestmark = pytest.mark.harness


def test_a_block_takes_another_value(tmp_path, toml) -> None:
    data = toml(secrets={"names": ["JWT_SECRET_KEY", "ADMIN_PASSWORD"]})
    located = Located(parse_environment("prod", data, "prod.toml"), tmp_path / "prod.toml")
    blocks = Blocks("prod")
    with pytest.raises(WrongUse, match="JWT_SECRET_KEY has no value yet"):
        writable(located, "JWT_SECRET_KEY", [blocks])
    Secret(value="before").save("homeguru-prod-jwt-secret-key")
    place = writable(located, "JWT_SECRET_KEY", [blocks])
    place.put("JWT_SECRET_KEY", '{"a": "it\'s"}')
    assert Blocks("prod").get("JWT_SECRET_KEY") == '{"a": "it\'s"}'
    for value in ("true", "1e5", "12345678901234567890", "'quoted'"):
        # What looks like JSON stays the text that it is.
        place.put("JWT_SECRET_KEY", value)
        assert Blocks("prod").get("JWT_SECRET_KEY") == value
    assert Blocks("prod").get("ADMIN_PASSWORD") is None
    stored = Secret.load("homeguru-prod-jwt-secret-key")
    assert "quoted" not in json.dumps(stored.model_dump(mode="json"))
