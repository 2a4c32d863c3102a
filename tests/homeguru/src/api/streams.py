"""What takes longer than one answer: slow ones, streams, a socket, photos."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from src.phrases import PHRASES

router = APIRouter()
CHUNK = b"x" * 65_536
UPLOADS = Path("uploads")  # in the working directory, beside the code
UPLOADS.mkdir(exist_ok=True)


@router.get("/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=10)] = 0.8) -> dict[str, float]:
    """A picture that takes a while."""
    await asyncio.sleep(seconds)
    return {"seconds": seconds}


@router.get("/events")
async def events() -> StreamingResponse:
    """A number every half second, as server-sent events, without end."""

    async def numbers() -> AsyncIterator[str]:
        number = 0
        while True:
            number += 1
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.5)

    return StreamingResponse(numbers(), media_type="text/event-stream")


@router.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """Every text back, until the client or the server goes."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


@router.post("/photos")
async def upload(request: Request) -> dict[str, int | str]:
    """How many bytes came; the last photo is kept."""
    size = 0
    with tempfile.NamedTemporaryFile(dir=UPLOADS, delete=False) as file:
        photo = Path(file.name)
        try:
            async for part in request.stream():
                size += file.write(part)
            photo.replace(UPLOADS / "last.jpg")
        finally:
            photo.unlink(missing_ok=True)
    return {"size": size, "said": PHRASES["photo"]}


@router.get("/photos")
async def download(
    megabytes: Annotated[int, Query(ge=1, le=50)] = 5,
) -> StreamingResponse:
    """That many megabytes, as fast as the client reads."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(megabytes * 16):
            yield CHUNK

    length = {"Content-Length": str(megabytes * 16 * len(CHUNK))}
    return StreamingResponse(parts(), media_type="image/jpeg", headers=length)
