"""Watch: a live page of runs while they train."""

from __future__ import annotations

import importlib
import secrets
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.program_options import WatchOptions, read_options
from outtake.core.errors import ConfigError, Terminated
from outtake.core.printable_text import to_printable
from outtake.core.signals import raise_on_signal
from outtake.inference.optional_imports import import_optional

HOST = "127.0.0.1"
_TOKEN_BYTES = 32
_BACKLOG = 64
_MAX_CONNECTIONS = 64
_MAX_HEAD_BYTES = 16_384


def watch(cfg: DictConfig) -> None:
    """Serve a page of runs as ``conf/watch.yaml`` says, until Ctrl-C.

    Raises:
        ConfigError: A folder does not exist, the port is taken, or a package is missing.
        KeyboardInterrupt: At Ctrl-C.
        Terminated: At SIGTERM.
    """
    options = read_options(WatchOptions, cfg)
    folders = _check_folders([options.runs] if isinstance(options.runs, str) else options.runs)
    for package in ("starlette.applications", "uvicorn"):
        import_optional(package, extra="watch", required_by="outtake watch")
    # A second of imports, before the address is said.
    importlib.import_module("outtake.pages.live.web_app")
    listener = _listen(options.port)
    with listener:
        port = int(listener.getsockname()[1])
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        named = ", ".join(map(str, folders))
        # In one line, at once, also where the output is a pipe.
        print(
            to_printable(f"watching {named} at http://{HOST}:{port}/?token={token}")
            + " (for this machine alone; Ctrl-C ends it)",
            flush=True,
        )
        _serve(listener, folders, options, token, port)


def _check_folders(given: Sequence[str]) -> list[Path]:
    folders = [Path(each).expanduser() for each in given]
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    if absent:
        raise ConfigError(f"{absent[0]}: no such folder; give the folder of runs, as in runs")
    return folders


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port={port}: cannot be used ({error.strerror}); choose another, or port=0 for any"
        ) from error
    return listener


def _serve(
    listener: socket.socket, folders: Sequence[Path], options: WatchOptions, token: str, port: int
) -> None:
    import uvicorn

    from outtake.pages.live.live_runs import LiveRuns
    from outtake.pages.live.web_app import make_app

    runs = LiveRuns(folders, options.keys, options.interval_s / 2, hidden=options.hidden)
    title = to_printable(", ".join(folder.resolve().name for folder in folders))
    app = make_app(runs, token, port, f"Runs in {title}", options.keys, options.interval_s)
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
