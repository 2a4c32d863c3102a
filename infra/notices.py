"""Sending a notice to whatever apprise knows. Nothing here may fail a deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployments.notices import Notice

if TYPE_CHECKING:
    from apprise import NotifyBase

TRIES = 2


def send(urls: str, notice: Notice, *, telegram_api: str = "") -> list[str]:
    """Send to each of `urls`, apart by white space; returns a sentence for each that failed.

    The sentences name the kind of address only: the rest of it is a secret.
    """
    words = urls.split()
    if not words:
        return ["the secret of [notices] urls is empty"]
    return [said for word in words if (said := _sent(word, notice, telegram_api))]


def _sent(url: str, notice: Notice, telegram_api: str) -> str:
    # Importing it takes a third of a second: only where somebody is told.
    from apprise import Apprise, OverflowMode

    kind = url.partition(":")[0][:20] if "://" in url else "an address without a kind"
    plugin = Apprise.instantiate(url)
    if plugin is None:
        return f"{kind}: not an address that apprise knows"
    _redirect(plugin, telegram_api)
    # A long plan is several messages: as one, Telegram would refuse it.
    plugin.overflow_mode = OverflowMode.SPLIT
    for _ in range(TRIES):
        try:
            if _notify(plugin, notice):
                return ""
            problem = "not accepted, or no answer"
        except Exception as error:
            # Its text may hold the address.
            problem = type(error).__name__
    return f"{kind}: {problem}"


def _notify(plugin: NotifyBase, notice: Notice) -> bool:
    from apprise import Apprise, NotifyFormat, NotifyType

    told = Apprise()
    told.add(plugin)
    return bool(
        told.notify(
            title=notice.title, body=notice.body, notify_type=NotifyType(notice.level),
            body_format=NotifyFormat.TEXT,
        )
    )  # fmt: skip


def _redirect(plugin: Any, telegram_api: str) -> None:
    """Let Telegram's messages go to a Bot API server of one's own."""
    if telegram_api and plugin.__class__.__name__ == "NotifyTelegram":
        plugin.notify_url = f"{telegram_api.rstrip('/')}/bot"
