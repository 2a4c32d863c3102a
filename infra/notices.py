"""Sending a notice to whatever apprise knows. Nothing here may fail a deploy."""

from __future__ import annotations

import logging
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deployments.messages.notices import Notice
from deployments.text import chat
from infra.machine.sinks import clean

if TYPE_CHECKING:
    from apprise import NotifyBase

TRIES = 2
_TARGETS = ("targets", "channels", "rooms", "topics")
"""What plugins call those whom they reach: Telegram and mail, Slack, Matrix, ntfy."""


@dataclass(frozen=True)
class Sent:
    """How many were reached, and a sentence for each that was not.

    The sentences name the kind of address only: the rest of it is a secret.
    """

    reached: int
    failed: tuple[str, ...]


def send(urls: str, notice: Notice, *, telegram_api: str = "") -> Sent:
    """Send to each of `urls`, apart by white space, and to each chat that one of them names."""
    words = urls.split()
    notice = replace(notice, title=clean(chat(notice.title)), body=clean(chat(notice.body)))
    if not words:
        return Sent(0, ("the secret of [notices] urls is empty",))
    results = [result for word in words for result in _problems(word, notice, telegram_api)]
    return Sent(results.count(""), tuple(filter(None, results)))


def _problems(url: str, notice: Notice, telegram_api: str) -> list[str]:
    """What went wrong with each chat of one address; empty where it was sent."""
    # Importing it takes a third of a second: only where something is sent.
    from apprise import Apprise, OverflowMode

    # It logs the whole of an address that it does not know: the token too.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    kind = url.partition(":")[0][:20] if "://" in url else "an address without a kind"
    plugin = Apprise.instantiate(url)
    if plugin is None:
        return [f"{kind}: not an address that apprise knows"]
    _redirect(plugin, telegram_api)
    # A long plan is several messages: as one, Telegram would refuse it.
    plugin.overflow_mode = OverflowMode.SPLIT
    return [f"{kind}: {problem}" if (problem := _tried(x, notice)) else "" for x in _apart(plugin)]


def _apart(plugin: Any) -> list[Any]:
    """One for each chat, channel or mail address: a refusal of one must not tell another one twice."""
    name = next((n for n in _TARGETS if isinstance(getattr(plugin, n, None), list)), "")
    targets = getattr(plugin, name, [])
    if len(targets) < 2:
        return [plugin]
    apart = [copy(plugin) for _ in targets]
    for single, target in zip(apart, targets, strict=True):
        setattr(single, name, [target])
    return apart


def _tried(plugin: NotifyBase, notice: Notice) -> str:
    problem = ""
    for _ in range(TRIES):
        try:
            if _notify(plugin, notice):
                return ""
            problem = "not accepted, or no answer"
        except Exception as error:
            # Its text may hold the address.
            problem = type(error).__name__
    return problem


def _notify(plugin: NotifyBase, notice: Notice) -> bool:
    from apprise import Apprise, NotifyFormat, NotifyType

    sender = Apprise()
    sender.add(plugin)
    return bool(
        sender.notify(
            title=notice.title, body=notice.body, notify_type=NotifyType(notice.level),
            body_format=NotifyFormat.TEXT,
        )
    )  # fmt: skip


def _redirect(plugin: Any, telegram_api: str) -> None:
    """Let Telegram's messages go to a Bot API server of one's own."""
    if telegram_api and plugin.__class__.__name__ == "NotifyTelegram":
        plugin.notify_url = f"{telegram_api.rstrip('/')}/bot"
