"""Where secrets may be, and why. An entry that nothing needs fails the test as a leak does."""

from __future__ import annotations

from tests.security.guarded import FOR_THE_DEPLOYER, IN_CONTAINERS
from tests.security.searching import Allowed

ROTATED = ("the new DATABASE_PASSWORD", "the new JWT_SECRET_KEY", "the new OPENROUTER_API_KEY")
APPLICATION = (
    "DATABASE_PASSWORD", "ADMIN_PASSWORD", "JWT_SECRET_KEY", "OPENROUTER_API_KEY", "TELEGRAM_BOT_TOKEN",
)  # fmt: skip
ROW = ("what a user wrote",)
IN_FILE = (*IN_CONTAINERS, *FOR_THE_DEPLOYER, *ROTATED, "the password of a notice")
READS = "a process reads its secrets from its environment, which the engine keeps"

ALLOWED: tuple[Allowed, ...] = (
    # -- this machine
    Allowed("deployer files", "environments/sandbox.secrets.env", IN_FILE,
            "the person's own file of secrets", "0o600"),
    Allowed("deployer files", "sandbox/ssh_key", ("the deploy key",), "the key that opens the server", "0o600"),
    Allowed("deployer files", "identity", ("the age identity",), "the person's own identity", "0o600"),
    Allowed("deployer files", "mistakes/*", ("*",), "what the story itself put into the wrong place"),
    Allowed("output", "*masks of *", (*IN_FILE, "PREFECT_API_AUTH_STRING", "the deploy key"),
            "GitHub's runner is told by `::add-mask::` what to hide, and shows stars for these lines"),
    Allowed("output", "*exec * printenv ADMIN_PASSWORD", ("ADMIN_PASSWORD",),
            "a person with the deploy key asked a container for it"),
    # -- the server
    Allowed("server files", "/opt/systech/sunko/secrets.env", (*IN_CONTAINERS, *ROTATED),
            "Compose reads the containers' secrets there", "0o600", "systech"),
    Allowed("server files", "/opt/systech/sunko/backups/*.dump", ROW,
            "a backup holds what users wrote", "0o600", "systech"),
    Allowed("server files", "/var/lib/docker/volumes/homeguru_postgres-data/*", ROW,
            "the database holds what users wrote", "0o600"),
    Allowed("server files", "/var/lib/docker/containers/*/config.v2.json", (*IN_CONTAINERS, *ROTATED),
            READS, "0o600", "root"),
    Allowed("server files", "/run/docker/containerd/*/config.json", (*IN_CONTAINERS, *ROTATED),
            f"{READS}; root alone enters that folder", "", "root"),
    Allowed("docker inspect", "/homeguru-postgres-1 Config.Env", ("POSTGRES_PASSWORD",), READS),
    Allowed("docker inspect", "/homeguru-migrate Config.Env",
            (*APPLICATION[1:], "DATABASE_OWNER_PASSWORD", *ROTATED[1:]), READS),
    Allowed("docker inspect", "/homeguru-api-* Config.Env", (*APPLICATION, *ROTATED), READS),
    Allowed("docker inspect", "/homeguru-bot-* Config.Env", (*APPLICATION, *ROTATED), READS),
)  # fmt: skip
