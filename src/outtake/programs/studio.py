"""Studio: a page in which frames are labelled, a network is trained and objects are removed."""

from __future__ import annotations

import importlib
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from outtake.config.program_options import StudioOptions, read_options
from outtake.core.errors import ConfigError
from outtake.core.printable_text import to_printable
from outtake.inference.optional_imports import import_optional
from outtake.programs.local_server import listen, new_token, serve
from outtake.programs.served_hosts import find_served_hosts

if TYPE_CHECKING:
    from outtake.studio.open_sessions import OpenSessions


def studio(cfg: DictConfig) -> None:
    """Serve the studio as ``conf/studio.yaml`` says, until Ctrl-C.

    Raises:
        OuttakeError: The clip, the project or a folder cannot be used, the port is taken, other
            machines would be let in unasked, or a package is missing.
        KeyboardInterrupt: At Ctrl-C.
        Terminated: At SIGTERM.
    """
    options = read_options(StudioOptions, cfg)
    for package in ("starlette.applications", "uvicorn"):
        import_optional(package, extra="studio", required_by="outtake studio")
    hosts = find_served_hosts(options.host, options.allow_remote, options.host_names)
    roots = _check_roots(options.roots)
    importlib.import_module("outtake.studio.web_app")
    from outtake.studio.open_sessions import OpenSessions
    from outtake.studio.studio_settings import StudioSettings
    from outtake.studio.web_app import make_app

    settings = StudioSettings(
        home=Path.cwd(),
        roots=roots,
        upload_mib=options.limits.upload_mib,
        import_mib=options.limits.import_mib,
        classes=tuple(options.classes),
    )
    sessions = OpenSessions(settings)
    try:
        what = _open_named(options, sessions)
        with listen(hosts.address, options.port) as listener:
            port, token = int(listener.getsockname()[1]), new_token()
            address = f"http://{hosts.names[0]}:{port}/?token={token}"
            whom = "for whoever knows it" if hosts.remote else "for this machine alone"
            print(to_printable(f"{what} at {address}") + f" ({whom}; Ctrl-C ends it)", flush=True)
            if hosts.remote:
                print(
                    f"warning: host={hosts.address}: whoever on the network learns this address "
                    "can read clips and change projects, and all goes over it in the clear",
                    flush=True,
                )
            for note in _list_notes(sessions):
                print(to_printable(note), flush=True)
            if options.open and not webbrowser.open(address):
                print("no browser was found; open the address in one", flush=True)
            serve(make_app(sessions, token, port, hosts.names), listener)
    finally:
        sessions.close()


def _open_named(options: StudioOptions, sessions: OpenSessions) -> str:
    """Open what the options name, if they do; return what the studio is of."""
    from outtake.studio.open_sessions import SUFFIX
    from outtake.studio.project import Project, check_class_names
    from outtake.studio.studio_session import StudioSession

    if options.project is not None:
        folder = options.project.expanduser()
    elif options.input is not None:
        folder = Path(Path(options.input).expanduser().stem + SUFFIX)
    else:
        check_class_names(options.classes)
        return "studio"
    project = Project(folder, options.input, options.classes)
    sessions.session = StudioSession(project, sessions.settings)
    project.frames.read_soon(next(iter(project.labelled_frames()), 0))
    return f"studio of {folder}"


def _list_notes(sessions: OpenSessions) -> list[str]:
    """Return what is converted of the clip that is open, one line each."""
    from outtake.studio.still_picture import list_conversions

    if sessions.session is None:
        return []
    project = sessions.session.project
    return [f"{project.source.name}: {note}" for note in list_conversions(project)]


def _check_roots(roots: Sequence[Path]) -> tuple[Path, ...]:
    found = tuple(root.expanduser().resolve() for root in roots)
    for given, root in zip(roots, found, strict=True):
        if not root.is_dir():
            raise ConfigError(f"roots: {given}: no such folder")
    return found
