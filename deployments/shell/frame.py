"""How a script reaches bash: the user's login shell parses one plain line, and nothing of ours.

sshd hands a command line to the login shell, and each shell reads quotes, backslashes, `!` and
line feeds in its own way. So the command line holds none of them: it starts bash, which reads the
script from its standard input. What follows the script there is the script's own input.
"""

from __future__ import annotations

from deployments.shell.quote import Script

READY = "homeguru-ready"
"""The line on both output streams after which everything is the script's own output.

An empty one goes before it: what a start file printed need not have ended its line."""

INCOMPLETE = 64
"""Exit code: the connection ended before the whole script had arrived; none of it ran."""

_GRACE = 15
"""Seconds between the signal that asks a command to end and the one that forces it."""


def command_line(script: Script, limit: int | None) -> str:
    """What the login shell gets. limit: seconds after which the host ends the script, or None.

    `--norc`: bash started by sshd would read ~/.bashrc, which may print, read or start another
    shell. A length and no end mark: half a script must not run, and no byte of its input be lost.
    """
    bounded = f"timeout -k {_GRACE} {limit} " if limit is not None else ""
    size = len(sent(script))
    inner = (
        f"echo; echo {READY}; (echo; echo {READY}) >&2; LC_ALL=C IFS= read -r -N {size} script"
        f' || exit {INCOMPLETE}; eval "$script"'
    )
    return f"exec {bounded}bash --norc -c '{inner}'"


def sent(script: Script) -> bytes:
    """The script as it travels: the first bytes of the command's standard input."""
    data = script.text.encode()
    if b"\0" in data:
        raise ValueError("bash cannot read a script with a NUL byte in it")
    return data
