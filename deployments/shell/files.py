"""Putting a release's files in place, and recording how it ended."""

from __future__ import annotations

from deployments.shell.quote import Script, call, functions, join


def unpack(directory: str, then: Script) -> Script:
    """Put the tar archive on standard input into a directory of the run's own, 0700; then the rest.

    One command and no round trip a file; a failed write is an error before anything else runs.
    """
    return Script(
        join(functions("files_unpack"), call("unpack_files", directory), then.text),
        timeout=then.timeout,
    )


def install(incoming: str, release: str, edge: str) -> Script:
    """Copy a release's files into `releases/<id>/` and put them into effect.

    edge: the edge's service, which has yet to read its file; empty where there is none.
    """
    return Script(
        join(functions("files_install"), call("install_release", incoming, release, edge))
    )


def restore(incoming: str, edge: str) -> Script:
    """Put a former release's files back, with the secrets that were valid with it. edge: as above."""
    return Script(
        join(functions("files_install", "files_restore"), call("restore_release", incoming, edge))
    )


def remove_project() -> Script:
    """Undo of a first deploy: containers and network go, volumes stay."""
    return Script(join(functions("files_remove"), "remove_project"), timeout=180)


def forget(release: str) -> Script:
    """Undo of an adoption: its record goes, and what runs is left alone."""
    return Script(f"rm -rf {call('releases/' + release)}\n")


def record(
    line: str, incoming: str, tip: str, current: str, release: str, *, settled: bool = True,
    environment: str = "",
) -> Script:  # fmt: skip
    """Append the run's line to the ledger and, when it became current, record that.

    line: goes with the script, since a file of its own costs four round trips.
    environment: whose directory this is from now on; empty leaves it as it is.
    tip: SHA-256 of the ledger's last line as it was read; any other means stop.
    settled: the host runs exactly one release, so the former secrets may go.
    """
    end = "yes" if settled else "no"
    words = (line, incoming, tip, current, release, end, environment)
    return Script(join(functions("files_record"), call("record_run", *words)))


def close(run: str, line: str) -> Script:
    """End the journal of an earlier run that its own deployer could not end."""
    return Script(join(functions("files_record"), call("close_journal", run, line)))
