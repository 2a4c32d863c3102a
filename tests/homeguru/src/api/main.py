"""HTTP API. Started by `uvicorn src.api.main:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Response, status
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from src.api.streams import router
from src.config import Settings
from src.db import Database, Message
from src.version import VERSION

HEALTH_TIMEOUT = 2  # seconds; the health check must answer while the database is away

settings = Settings.from_environment()
database = Database(settings.database_url)


class MessageIn(BaseModel):
    """What a client sends."""

    text: Annotated[str, Field(min_length=1, max_length=4096)]


class MessageOut(BaseModel):
    """What a client gets back."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str
    created_at: datetime


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await asyncio.sleep(settings.start_delay)
    yield
    await database.close()


app = FastAPI(title="HomeGuru", version=VERSION, lifespan=lifespan)
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
app.include_router(router)


@app.get("/")
async def root() -> dict[str, str]:
    return {"name": "HomeGuru", "version": VERSION}


@app.get("/health")
async def health(response: Response) -> dict[str, str | None]:
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            revision = await database.revision()
    except (OSError, TimeoutError, SQLAlchemyError):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return {"status": "database unavailable", "version": VERSION, "revision": None}
    return {"status": "ok", "version": VERSION, "revision": revision}


@app.get("/config")
async def config() -> dict[str, str]:
    """The settings that are no secret."""
    return {"llm_model": settings.llm_model, "collector_mode": settings.collector_mode}


@app.get("/messages")
async def list_messages(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[MessageOut]:
    """The newest messages, newest first."""
    async with database.session() as session:
        rows = await session.scalars(select(Message).order_by(Message.id.desc()).limit(limit))
        return [MessageOut.model_validate(row) for row in rows]


@app.post("/messages", status_code=status.HTTP_201_CREATED)
async def create_message(
    message: MessageIn, seconds: Annotated[float, Query(ge=0, le=10)] = 0.0
) -> MessageOut:
    """seconds: how long the answer takes once the row is there, as an LLM's would."""
    async with database.session.begin() as session:
        row = Message(text=message.text)
        session.add(row)
        await session.flush()
        await session.refresh(row)
        made = MessageOut.model_validate(row)
    await asyncio.sleep(seconds)
    return made
