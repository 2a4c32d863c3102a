"""Tunnels: the host reaches the deployer's registry as `localhost:<port>`, or this machine the host's.

Each connection is served by a handler of our own. fabric's `forward_remote` connects
inside paramiko's transport thread, unguarded: a registry that is down would take the
whole SSH connection with it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

_CHUNK = 65_536


class PortRefused(Exception):
    """The port on the host is in use, or sshd forbids forwarding: SSH does not tell which."""


def open_tunnel(transport: paramiko.Transport, remote_port: int, target: str) -> None:
    """Let the host's `127.0.0.1:<remote_port>` reach `target` (`host:port`) from here.

    Raises PortRefused. Ends with `close_tunnel`, or with the transport.
    """
    host, _, port = target.partition(":")

    def serve(channel: paramiko.Channel, *_: object) -> None:
        threading.Thread(target=_bridge, args=(channel, host, int(port)), daemon=True).start()

    try:
        transport.request_port_forward("127.0.0.1", remote_port, handler=serve)
    except paramiko.SSHException:
        if not transport.is_active():
            raise
        raise PortRefused from None


def close_tunnel(transport: paramiko.Transport, remote_port: int) -> None:
    """Free the host's port for another run; nothing to do where the connection is gone."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        transport.cancel_port_forward("127.0.0.1", remote_port)


@contextmanager
def forwarded(transport: paramiko.Transport, remote_port: int) -> Iterator[int]:
    """Let a port of this machine's loopback, which is returned, reach the host's `remote_port`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        threading.Thread(
            target=_accept, args=(listening, transport, remote_port), daemon=True
        ).start()
        try:
            yield port
        finally:
            # `close` alone does not wake up who waits for the next connection.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, transport: paramiko.Transport, remote_port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            local, origin = listening.accept()
            threading.Thread(
                target=_to_host, args=(transport, remote_port, local, origin), daemon=True
            ).start()


def _to_host(
    transport: paramiko.Transport, remote_port: int, local: socket.socket, origin: tuple[str, int]
) -> None:
    try:
        channel = transport.open_channel(
            "direct-tcpip", ("127.0.0.1", remote_port), origin, timeout=15
        )
    except (paramiko.SSHException, OSError, EOFError):
        local.close()
        return
    _join(channel, local)


def _bridge(channel: paramiko.Channel, host: str, port: int) -> None:
    try:
        local = socket.create_connection((host, port), timeout=10)
    except OSError:
        channel.close()
        return
    _join(channel, local)


def _join(channel: paramiko.Channel, local: socket.socket) -> None:
    local.settimeout(None)
    back = threading.Thread(target=_from_host, args=(channel, local), daemon=True)
    back.start()
    with contextlib.suppress(OSError, EOFError):
        while data := local.recv(_CHUNK):
            channel.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        channel.shutdown_write()
    back.join(timeout=60)
    channel.close()
    local.close()


def _from_host(channel: paramiko.Channel, local: socket.socket) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(_CHUNK):
            local.sendall(data)
    with contextlib.suppress(OSError):
        local.shutdown(socket.SHUT_WR)
