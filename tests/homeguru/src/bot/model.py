"""The model that the bot needs before it can answer: fetched once, then found in ~/.cache.

`python -m src.bot.model` only fetches it. A model named `local/<seconds>` takes that long to fetch.
"""

import logging
import re
import time
from pathlib import Path

from src.config import Settings

CACHE = Path.home() / ".cache" / "homeguru"
LOADING = 0.5  # seconds, each time

log = logging.getLogger("homeguru.model")


def fetch(name: str) -> Path:
    """The model's file, fetched where it is not there yet."""
    file = CACHE / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.bin"
    if file.is_file():
        log.info("model %s is in %s", name, CACHE)
        return file
    log.info("fetching model %s", name)
    slow = re.fullmatch(r"local/(\d+)", name)
    time.sleep(int(slow[1]) if slow else 0)
    CACHE.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(b"model" * 100_000)
    part.replace(file)
    return file


def load(name: str) -> None:
    """Fetch it if need be, and read it."""
    fetch(name).read_bytes()
    time.sleep(LOADING)
    log.info("model %s is loaded", name)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    fetch(Settings.from_environment().llm_model)
