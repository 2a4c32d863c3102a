"""The bots of the Telegram stand-in: the updates that wait for each, and who polls for them.

Standard library only: it runs in a bare Python image.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Longest poll and how often it looks whether its client is still there, seconds; kept calls.
LONGEST_POLL, LOOK_EVERY, KEPT_CALLS = 50.0, 0.2, 5000


@dataclass
class Bot:
    """State of one token: updates not yet confirmed, and the poll that waits now."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    next_id: int = 1
    poll: int = 0
    waiting: bool = False
    webhook: str = ""
    polls: list[list[float]] = field(default_factory=list)
    """Begin and end of each, seconds since the epoch."""


class Telegram:
    """All bots, the recorded calls and the number of conflicts; safe across threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.bots: dict[str, Bot] = {}
        self.calls: list[dict[str, Any]] = []
        self.conflicts = 0
        self.numbers = itertools.count(1)
        self.revoked: dict[str, str] = {}
        """Token to the one that BotFather gave out instead: the bot is the same."""

    def record(self, method: str, client: str, params: dict[str, Any]) -> None:
        """Keep one call, with its time in seconds since the epoch."""
        call = {"method": method, "at": time.time(), "client": client, "params": params}
        with self.changed:
            self.calls.append(call)
            del self.calls[:-KEPT_CALLS]

    def queue(self, token: str, text: str, chat_id: int) -> dict[str, Any]:
        """Queue a message from a person as the token's next update; returns the update."""
        with self.changed:
            bot = self.bots.setdefault(self.revoked.get(token, token), Bot())
            content = message(bot.next_id, chat_id, text)
            content["from"] = {"id": chat_id, "is_bot": False, "first_name": "Test"}
            update = {"update_id": bot.next_id, "message": content}
            bot.updates.append(update)
            bot.next_id += 1
            self.changed.notify_all()
        return update

    def revoke(self, token: str, new: str) -> None:
        """End a token at once; who waits with it is sent away, and what waits for the bot stays."""
        with self.changed:
            bot = self.bots[new] = self.bots.pop(token, Bot())
            bot.poll, bot.waiting = bot.poll + 1, False
            self.revoked[token] = new
            self.changed.notify_all()

    def hook(self, token: str, url: str, *, drop: bool) -> None:
        """Set a token's webhook, or none."""
        with self.changed:
            bot = self.bots.setdefault(token, Bot())
            bot.webhook = url
            bot.updates = [] if drop else bot.updates
            self.changed.notify_all()

    def poll(
        self, token: str, params: dict[str, Any], gone: Callable[[], bool]
    ) -> list[dict[str, Any]] | None:
        """Answer one getUpdates: its updates, or None when a newer poll terminated it.

        `gone` tells that nobody waits for the answer any more.
        """
        offset, limit = int(params.get("offset") or 0), int(params.get("limit") or 100)
        end = time.monotonic() + min(float(params.get("timeout") or 0), LONGEST_POLL)
        with self.changed:
            bot = self.bots.setdefault(token, Bot())
            times = [time.time(), 0.0]
            bot.polls.append(times)
            del bot.polls[:-KEPT_CALLS]
            bot.poll += 1  # a waiting older poll sees this and ends
            number = bot.poll
            if bot.waiting:
                self.conflicts += 1
                self.changed.notify_all()
            bot.waiting = True
            # A negative offset keeps that many of the last updates.
            last = [update for update in bot.updates if update["update_id"] >= offset]
            bot.updates = bot.updates[offset:] if offset < 0 else last
            while not bot.updates and bot.poll == number:
                if (remaining := end - time.monotonic()) <= 0 or gone():
                    break
                self.changed.wait(min(remaining, LOOK_EVERY))
            times[1] = time.time()
            if bot.poll != number:
                return None
            bot.waiting = False
            return bot.updates[: max(1, min(limit, 100))]


def message(number: int, chat_id: Any, text: Any) -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private", "first_name": "Test"}
    return {"message_id": number, "date": int(time.time()), "chat": chat, "text": text}
