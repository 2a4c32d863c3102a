"""Pulling images on the host, by digest."""

from __future__ import annotations

from deployments.shell.quote import Script, call, functions, join


def missing(references: list[str]) -> Script:
    """Print those of the references whose image is not on the host."""
    return Script(join(functions("images_missing"), call("missing_images", *references)))


def listens(port: int) -> Script:
    """Print a line when something listens on this port."""
    # A host without IPv6 has no tcp6.
    return Script(
        "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |"
        f""" awk '$4 == "0A" && $2 ~ /:{port:04X}$/ {{ print "yes"; exit }}'\n"""
    )


def pull_ahead(
    references: list[str], room_mb: int, incoming: str, login: tuple[str, str] = ("", "")
) -> Script:
    """Pull references before any release names them, if `room_mb` MiB are free then; print those pulled.

    incoming: directory of this command's files, which goes. login: registry and user; the password
    lies in a file there.
    """
    line = call("pull_ahead", room_mb * 1024, incoming, *login, *references)
    return Script(
        join(functions("images_references", "images_missing", "images_pull"), line), timeout=1800
    )


def pull(references: list[str], tag: str, login: tuple[str, str, str] | None = None) -> Script:
    """Pull references (`host/repository@sha256:...`) side by side and tag them.

    login: (incoming directory, registry, user); the password lies in a file there.
    """
    return Script(
        join(
            functions("images_references"),
            functions("images_missing"),
            functions("images_pull"),
            # What is there already needs no registry, and so no login that it might refuse.
            f'[ -z "$({call("missing_images", *references)})" ] || {call("login_to_registry", *login)}'
            if login
            else "",
            call("pull_images", tag, *references),
        ),
        timeout=1800,
    )
