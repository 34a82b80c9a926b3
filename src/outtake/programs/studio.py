"""Studio: a page in which frames are labelled, a network is trained and objects are removed."""

from __future__ import annotations

import importlib
import webbrowser
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.program_options import StudioOptions, read_options
from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable
from outtake.inference.optional_imports import import_optional
from outtake.programs.local_server import HOST, listen_on_loopback, new_token, serve

_SUFFIX = ".outtake"


def studio(cfg: DictConfig) -> None:
    """Serve the studio of one project as ``conf/studio.yaml`` says, until Ctrl-C.

    Raises:
        OuttakeError: The clip or the project cannot be used, the port is taken, or a package is
            missing.
        KeyboardInterrupt: At Ctrl-C.
        Terminated: At SIGTERM.
    """
    options = read_options(StudioOptions, cfg)
    for package in ("starlette.applications", "uvicorn"):
        import_optional(package, extra="studio", required_by="outtake studio")
    folder = _find_folder(options)
    importlib.import_module("outtake.studio.web_app")
    from outtake.studio.project import Project
    from outtake.studio.still_picture import list_conversions
    from outtake.studio.studio_session import StudioSession
    from outtake.studio.web_app import make_app

    session = StudioSession(Project(folder, options.input, options.classes))
    try:
        project = session.project
        project.frames.read_soon(next(iter(project.labelled_frames()), 0))
        with listen_on_loopback(options.port) as listener:
            port, token = int(listener.getsockname()[1]), new_token()
            address = f"http://{HOST}:{port}/?token={token}"
            print(
                to_printable(f"studio of {folder} at {address}")
                + " (for this machine alone; Ctrl-C ends it)",
                flush=True,
            )
            for note in list_conversions(session.project):
                print(to_printable(f"{session.project.source.name}: {note}"), flush=True)
            if options.open and not webbrowser.open(address):
                print("no browser was found; open the address in one", flush=True)
            serve(make_app(session, token, port), listener)
    finally:
        session.close()


def _find_folder(options: StudioOptions) -> Path:
    if options.project is not None:
        return options.project.expanduser()
    if options.input is None:
        raise ConfigError("outtake studio needs input=CLIP, or project=FOLDER of an earlier one")
    return Path(Path(options.input).expanduser().stem + _SUFFIX)
