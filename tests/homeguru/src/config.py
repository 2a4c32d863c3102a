"""Settings, read from the environment once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Settings:
    """Everything the bot and the API take from their environment."""

    database_url: str
    collector_mode: str
    admin_username: str
    admin_password: str
    jwt_secret_key: str
    jwt_access_token_expire_days: int
    openrouter_api_key: str
    openrouter_model: str
    llm_model: str
    telegram_bot_token: str
    telegram_api_url: str
    start_delay: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an empty value counts as absent."""

        def value(name: str, default: str = "") -> str:
            return environment.get(name) or default

        return cls(
            database_url=async_database_url(value("DATABASE_URL")),
            collector_mode=value("COLLECTOR_MODE", "polling"),
            admin_username=value("ADMIN_USERNAME", "admin"),
            admin_password=value("ADMIN_PASSWORD"),
            jwt_secret_key=value("JWT_SECRET_KEY"),
            jwt_access_token_expire_days=int(value("JWT_ACCESS_TOKEN_EXPIRE_DAYS", "7")),
            openrouter_api_key=value("OPENROUTER_API_KEY"),
            openrouter_model=value("OPENROUTER_MODEL"),
            llm_model=value("LLM_MODEL"),
            telegram_bot_token=value("TELEGRAM_BOT_TOKEN"),
            telegram_api_url=value("TELEGRAM_API_URL", "https://api.telegram.org"),
            start_delay=float(value("APP_START_DELAY", "0")),
        )


def async_database_url(url: str) -> str:
    """Name the asyncpg driver where the address names none."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    return url
