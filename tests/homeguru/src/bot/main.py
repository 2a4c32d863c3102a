"""Telegram bot: stores every text and answers with it. Started by `python -m src.bot.main`."""

import asyncio
import logging
import sys

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramAPIError
from aiogram.types import Message as TelegramMessage
from aiogram.utils.token import TokenValidationError
from sqlalchemy.dialects.postgresql import insert

from src.bot import model
from src.config import Settings
from src.db import Database, Message, User
from src.phrases import PHRASES
from src.version import VERSION

POLLING_TIMEOUT = 10  # seconds

log = logging.getLogger("homeguru.bot")
dispatcher = Dispatcher()


@dispatcher.message(F.text)
async def echo(message: TelegramMessage, database: Database) -> None:
    async with database.session.begin() as session:
        if message.from_user:
            await session.execute(
                insert(User)
                .values(telegram_id=message.from_user.id, name=message.from_user.full_name)
                .on_conflict_do_nothing()
            )
        session.add(Message(text=message.text))
    await message.answer(message.text)


async def serve(settings: Settings) -> None:
    """Poll until SIGTERM or SIGINT."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(settings.telegram_api_url))
    bot = Bot(settings.telegram_bot_token, session=session)
    database = Database(settings.database_url)
    try:
        # As a library does it: the event loop runs long before anybody is answered.
        await asyncio.to_thread(model.load, settings.llm_model)
        await bot.delete_webhook()
        log.info("%s, version %s", PHRASES["started"], VERSION)
        await dispatcher.start_polling(bot, polling_timeout=POLLING_TIMEOUT, database=database)
    finally:
        await bot.session.close()
        await database.close()
    log.info("stopped")


def main() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(levelname)s %(message)s",
        handlers=[logging.StreamHandler(sys.stdout), logging.FileHandler("bot.log")],
    )
    try:
        asyncio.run(serve(Settings.from_environment()))
    except TokenValidationError:
        sys.exit("TELEGRAM_BOT_TOKEN is missing or malformed")
    except TelegramAPIError as error:
        sys.exit(f"Telegram: {error}")


if __name__ == "__main__":
    main()
