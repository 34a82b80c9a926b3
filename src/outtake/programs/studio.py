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
from outtake.programs.local_server import listen, new_token, say_address, serve
from outtake.programs.served_hosts import find_served_hosts

if TYPE_CHECKING:
    from outtake.studio.open_sessions import OpenSessions
    from outtake.studio.studio_settings import StudioSettings


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
            say_address(to_printable(f"{what} at {address}") + f" ({whom}; Ctrl-C ends it)")
            if hosts.remote:
                print(
                    f"warning: host={hosts.address}: whoever on the network learns this address "
                    "can read clips and change projects, and all goes over it in the clear",
                    flush=True,
                )
            for note in [*_list_notes(sessions), *_compare_classes(sessions, settings)]:
                print(to_printable(note), flush=True)
            if options.open and not webbrowser.open(address):
                print("no browser was found; open the address in one", flush=True)
            serve(make_app(sessions, token, port, hosts.names), listener)
    finally:
        sessions.close()


def _open_named(options: StudioOptions, sessions: OpenSessions) -> str:
    """Open what the options name, if they do; return what the studio is of."""
    from outtake.labelled_video.project_folder import PROJECT_FILE
    from outtake.studio.open_sessions import SUFFIX, name_of_clip
    from outtake.studio.project import Project, check_class_names
    from outtake.studio.studio_session import StudioSession

    clip = None if options.input is None else Path(options.input).expanduser()
    is_project = clip is not None and (clip / PROJECT_FILE).is_file()
    if is_project and options.project is not None:
        raise ConfigError(
            f"input={clip}: is a project, and project={options.project} names another place; "
            "give one of them"
        )
    if options.project is not None:
        folder = options.project.expanduser()
    elif clip is not None:
        folder = clip if is_project else Path(name_of_clip(clip) + SUFFIX)
    else:
        check_class_names(options.classes)
        return "studio"
    project = Project(folder, None if is_project else options.input, options.classes)
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


def _compare_classes(sessions: OpenSessions, settings: StudioSettings) -> list[str]:
    """Return a line if the project that is open has other classes than were asked for."""
    if sessions.session is None or settings.classes == type(settings).classes:
        return []
    project = sessions.session.project
    if tuple(project.classes) == settings.classes:
        return []
    return [
        f"note: {project.folder} has the classes {', '.join(project.classes)}: those of classes= "
        "are for new projects, and change nothing here; add classes in the page"
    ]


def _check_roots(roots: Sequence[Path]) -> tuple[Path, ...]:
    found = tuple(root.expanduser().resolve() for root in roots)
    for given, root in zip(roots, found, strict=True):
        if not root.is_dir():
            raise ConfigError(f"roots: {given}: no such folder")
    return found
