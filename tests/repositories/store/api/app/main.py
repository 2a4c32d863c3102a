import os

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"])
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=os.environ["CORS_ORIGINS"].split(","))


@app.get("/api/health")
async def health():
    return {"status": "ok"}


@app.get("/api/products")
async def products():
    async with engine.connect() as connection:
        names = (await connection.execute(text("SELECT name FROM products ORDER BY id"))).scalars()
        return {"store": "first edition", "products": list(names)}
