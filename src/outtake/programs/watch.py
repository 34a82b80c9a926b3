"""Watch: a live page of runs while they train."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.program_options import WatchOptions, read_options
from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable
from outtake.inference.optional_imports import import_optional
from outtake.programs.local_server import HOST, listen_on_loopback, new_token, say_address, serve


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
    listener = listen_on_loopback(options.port)
    with listener:
        port = int(listener.getsockname()[1])
        token = new_token()
        named = ", ".join(map(str, folders))
        say_address(
            to_printable(f"watching {named} at http://{HOST}:{port}/?token={token}")
            + " (for this machine alone; Ctrl-C ends it)"
        )
        _serve(listener, folders, options, token, port)


def _check_folders(given: Sequence[str]) -> list[Path]:
    folders = [Path(each).expanduser() for each in given]
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    if absent:
        raise ConfigError(f"{absent[0]}: no such folder; give the folder of runs, as in runs")
    return folders


def _serve(
    listener: socket.socket, folders: Sequence[Path], options: WatchOptions, token: str, port: int
) -> None:
    from outtake.pages.live.live_runs import LiveRuns
    from outtake.pages.live.web_app import make_app

    runs = LiveRuns(folders, options.keys, options.interval_s / 2, hidden=options.hidden)
    title = to_printable(", ".join(folder.resolve().name for folder in folders))
    app = make_app(runs, token, port, f"Runs in {title}", options.keys, options.interval_s)
    serve(app, listener)
