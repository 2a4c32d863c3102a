"""Tables and the connection to them."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Text, func, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Parent of every table; `alembic revision --autogenerate` reads its metadata."""


class Message(Base):
    """One text that came through the bot or the API."""

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class User(Base):
    """One person who has written to the bot."""

    __tablename__ = "users"

    telegram_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Database:
    """An engine and its sessions."""

    def __init__(self, url: str) -> None:
        self.engine: AsyncEngine = create_async_engine(url, pool_pre_ping=True)
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)

    async def revision(self) -> str | None:
        """The migration that the database is at; None when none has run."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            try:
                return await connection.scalar(text("SELECT version_num FROM alembic_version"))
            except ProgrammingError:  # no such table, or not ours to read
                return None

    async def close(self) -> None:
        await self.engine.dispose()
