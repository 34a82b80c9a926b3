"""Serve a page until a signal ends it: to this machine, or to others where that was said."""

from __future__ import annotations

import secrets
import signal
import socket
from typing import TYPE_CHECKING

from outtake.core.errors import ConfigError, Terminated
from outtake.core.signals import raise_on_signal

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
_TOKEN_BYTES = 32
_BACKLOG = 64
_MAX_CONNECTIONS = 64
_MAX_HEAD_BYTES = 16_384


def new_token() -> str:
    """Return a secret that whoever asks must know."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def listen_on_loopback(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine alone; 0 takes any that is free.

    Raises:
        ConfigError: The port cannot be used.
    """
    return listen(HOST, port)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of an address of this machine; 0 takes any free one.

    Raises:
        ConfigError: The address or the port cannot be used.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"host={host}: is no name or address of this machine") from error
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        where = f"port={port}" if host == HOST else f"host={host} port={port}"
        raise ConfigError(
            f"{where}: cannot be used ({error.strerror}); choose another, or port=0 for any"
        ) from error
    return listener


def say_address(line: str) -> None:
    """Print where a page is served: a whole line, at once, also where the output is a pipe.

    ``print`` would write the end of the line by itself where output is not buffered, and who waits
    for the address may send a signal between the two.
    """
    print(f"{line}\n", end="", flush=True)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: At Ctrl-C.
        Terminated: At SIGTERM.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=1,
    )
    # After its orderly end, uvicorn raises the signal again that it was ended by.
    with raise_on_signal(signal.SIGTERM, Terminated):
        uvicorn.Server(config).run(sockets=[listener])
