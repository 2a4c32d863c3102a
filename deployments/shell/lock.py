"""The lock: a session held by a heartbeat, and a work lock held by every command.

sshd does not kill a command whose client died, and `compose run` lives in the daemon.
So (a) the session lock ends with the deployer's heartbeat, (b) every command that
changes something inherits a second descriptor, so the kernel holds the work lock until
it really ended, (c) one-off containers have fixed names and are waited for or stopped.
"""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join

SILENCE = 15
"""Seconds without a heartbeat after which the host frees the session lock."""
LINGER = 60
"""Seconds for which the files of a run that was cut off stay: it may come back for them."""
ANSWER = 30
"""Seconds within which the host's Docker must answer; after them the error names Docker."""
PATIENCE = 120
"""Seconds for which a new run waits for a command, and then for a container, of an earlier one."""
ANSWERED = 2 * PATIENCE + 60 + ANSWER + PATIENCE + 30
"""Seconds after which a host that has not said whether the lock is held never will."""
HELD = "held"
BUSY = 75
"""Exit code: another run holds the session lock; its owner is on stdout."""
FENCED = 76
"""Exit code: this run lost the lock meanwhile and may not change anything."""


def hold_session(environment: Environment, owner: str, one_off: str, again: str = "") -> Script:
    """Take the session lock and keep it while a line arrives every few seconds; `bye` ends it.

    owner: one JSON line with the token; `@AT@` in it becomes the host's clock.
    one_off: name of the one-off container that an earlier run may have left.
    again: the token, when this run held the lock before and its connection broke; it is
    refused (exit code 76) when another run had the lock in between.
    """
    line = call("hold_session", owner, SILENCE, PATIENCE, one_off, again, LINGER, ANSWER)
    return Script(
        join(prelude(environment), functions("lock_stop", "lock_session"), line), timeout=0
    )


def guarded(
    environment: Environment,
    run: str,
    token: str,
    begin: str,
    end: str,
    after: str,
    body: Script,
    channel: str = "",
) -> Script:
    """Run `body` under the work lock, with its journal lines before and after.

    begin, end: journal lines; `@AT@` and `@OUTCOME@` are filled in. after: a line that
    follows only a success, the one that ends the whole run. channel: the nonce of its results; it
    is exported to nothing that the body starts.
    """
    listening = call("declare", "+x", f"channel={channel}")
    inner = join(prelude(environment), listening, body.text)
    line = call(
        "with_relayed_output", "run_guarded", run, token, body.timeout, begin, end, after, inner
    )
    return Script(
        join(prelude(environment), functions("lock_relay", "lock_guard"), line),
        timeout=body.timeout + 90,
    )


def stop_work(environment: Environment, token: str) -> Script:
    """End the command that this run left at work, and the way back that it armed."""
    holds_lock = call("grep", "-qF", f'"token":"{token}"', "lock/owner") + " || exit 76"
    wait = "rm -rf deadman; exec 9>>lock/work; stop_work; flock -w 45 9 || fail 'the command does not end'"
    text = join(prelude(environment), functions("lock_stop"), holds_lock, wait, "stop_one_offs")
    return Script(text, timeout=120)
