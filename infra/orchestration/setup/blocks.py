"""The Secret block type, and the secrets that nobody has given yet: names only."""

from __future__ import annotations

from deployments.compose.variables import block_name
from infra.environment.locate import Located
from infra.environment.secrets import SecretsFile
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages
from infra.orchestration.setup.changes import SetupChange


def ensure_secret_type(api: PrefectApi) -> SetupChange:
    """Secret blocks can be made; a server registers its own types when it starts."""
    if api.find("/block_types/slug/secret") is not None:
        return SetupChange("block type", "secret", "unchanged")
    api.post("/block_types/install_system_block_types")
    return SetupChange("block type", "secret", "created")


def missing_secrets(api: PrefectApi, located: list[Located]) -> list[SetupChange]:
    """Each secret that has neither a block there nor a line in the environment's file here."""
    names = [block_name(x.environment.name, n) for x in located for n in x.environment.secret_names]
    if not names:
        return []
    body = {"block_documents": {"name": {"any_": names}}, "include_secrets": False}
    blocks = {b["name"] for b in pages(api, "/block_documents/filter", body)}
    return [change for x in located for change in _missing(x, blocks)]


def _missing(located: Located, blocks: set[str]) -> list[SetupChange]:
    environment = located.environment
    file = environment.secrets.file
    secrets_file = SecretsFile(located.beside(file)) if file else None
    # Where a worker publishes nothing, the key that signs has no place.
    names = [n for n in environment.secret_names if n not in environment.signatures.secret_names]
    return [
        SetupChange("secret", f"{environment.name} {name}", "missing", f"block {block}")
        for name in names
        for block in [block_name(environment.name, name)]
        if block not in blocks and (secrets_file is None or secrets_file.get(name) is None)
    ]
