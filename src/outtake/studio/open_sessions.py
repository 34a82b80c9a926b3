"""Which project is open: one at a time, chosen from what lies below a few folders, or uploaded."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError, OutputError, OuttakeError
from outtake.labelled_video.project_folder import PROJECT_FILE
from outtake.studio.allowed_paths import resolve_below
from outtake.studio.jobs import RunningJobError
from outtake.studio.project import Project, read_source
from outtake.studio.studio_session import StudioSession
from outtake.studio.studio_settings import StudioSettings
from outtake.video.read.inputs import IMAGE_SUFFIXES, VIDEO_SUFFIXES

SUFFIX = ".outtake"
ENDINGS = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
UPLOADS = "upload"
_MAX_PROJECTS = 1000
_MAX_RECENT = 12


@dataclass(frozen=True)
class RecentProject:
    """A project of the folder in which the studio runs.

    Attributes:
        name: The name of its folder.
        changed_s: When it was used last, in seconds since 1970.
    """

    name: str
    changed_s: float


class OpenSessions:
    """Opens one project after another.

    Args:
        settings: What may be opened.
        session: The project that is open from the beginning, if there is one.

    Attributes:
        settings: What may be opened.
        session: The project that is open; None before one is chosen.
    """

    def __init__(self, settings: StudioSettings, session: StudioSession | None = None) -> None:
        self.settings, self.session = settings, session
        self._lock = threading.Lock()
        self._former: dict[str, Path] = {}

    def close(self) -> None:
        """Close the project that is open."""
        if self.session is not None:
            self.session.close()

    def recent(self) -> list[RecentProject]:
        """Return the projects in the folder in which new ones are made, the last used first."""
        found = []
        for folder in _list_projects(self.settings.home):
            try:
                changed_s = max(
                    (folder / each).stat().st_mtime for each in (PROJECT_FILE, "strokes", ".")
                    if (folder / each).exists()
                )  # fmt: skip
            except OSError:
                continue
            found.append(RecentProject(folder.name, changed_s))
        return sorted(found, key=lambda each: -each.changed_s)[:_MAX_RECENT]

    def open_path(self, given: object, end_job: bool) -> StudioSession:
        """Open a clip or a project below the roots; a clip gets a project if it has none.

        Args:
            given: A path of unknown origin.
            end_job: Whether a job that runs may be ended.

        Raises:
            RunningJobError: One runs, and may not be ended.
            OuttakeError: There is no such thing, or it cannot be opened.
        """
        path = resolve_below(self.settings.roots, given)
        if (path / PROJECT_FILE).is_file():
            return self._open(path, None, end_job)
        return self._open(self._folder_of(path), path, end_job)

    def open_recent(self, name: object, end_job: bool) -> StudioSession:
        """Open a project of the folder in which new ones are made, see :meth:`open_path`."""
        for folder in _list_projects(self.settings.home):
            if folder.name == name:
                return self._open(folder, None, end_job)
        raise ConfigError("project: there is none of this name here")

    def open_again(self, session: object, end_job: bool) -> StudioSession:
        """Open the project that a former session was of, see :meth:`open_path`."""
        folder = self._former.get(session) if isinstance(session, str) else None
        if folder is None:
            raise ConfigError("session: none of this studio")
        return self._open(folder, None, end_job)

    def open_upload(self, folder: Path, clip: Path, end_job: bool) -> StudioSession:
        """Open a clip that was received into the folder of its project; that goes if it is none."""
        try:
            return self._open(folder, clip, end_job)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def new_upload_folder(self) -> Path:
        """Return a new folder for a clip that will be received.

        Raises:
            OutputError: It cannot be made.
        """
        for number in range(1, _MAX_PROJECTS):
            folder = self.settings.home / f"{UPLOADS}_{number:03d}{SUFFIX}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(f"cannot write {folder}: {error.strerror}") from error
            return folder
        raise OutputError(f"{self.settings.home}: holds {_MAX_PROJECTS} uploads; remove some")

    def check_job(self, end_job: bool) -> None:
        """Raise a RunningJobError if a job runs that may not be ended."""
        job = self.session.jobs.current if self.session else None
        if job is not None and job.state == "running" and not end_job:
            raise RunningJobError(
                f"{job.command.kind} is still running and would be ended; what it has done stays"
            )

    def _open(self, folder: Path, source: Path | None, end_job: bool) -> StudioSession:
        with self._lock:
            self.check_job(end_job)
            former = self.session
            if former is not None and _same(former.project.folder, folder):
                return former
            project = Project(folder, source, self.settings.classes)
            self.session = StudioSession(project, self.settings)
            if former is not None:
                self._former[former.id] = former.project.folder.resolve()
                with former.lock:
                    former.close()
            return self.session

    def _folder_of(self, clip: Path) -> Path:
        """Return the project of a clip, or where a new one can be."""
        if clip.is_file() and clip.suffix.lower() not in ENDINGS:
            raise ConfigError(f"{clip.name}: is neither a video nor a picture")
        free = None
        for number in range(1, _MAX_PROJECTS):
            more = "" if number == 1 else f"_{number}"
            folder = self.settings.home / f"{name_of_clip(clip)}{more}{SUFFIX}"
            if not folder.exists():
                free = free or folder
                break
            if (folder / PROJECT_FILE).is_file() and _is_of(folder, clip):
                return folder
        if free is None:
            raise OutputError(f"{self.settings.home}: holds too many projects of {clip.name}")
        return free


def name_of_clip(clip: Path) -> str:
    """Return what a project of a clip is called, without its ending; never a hidden name.

    Args:
        clip: A file, or a folder of pictures, as ``.`` may be.
    """
    place = Path(os.path.abspath(clip))  # links keep the names that they are known by
    name = place.name if place.is_dir() else place.stem
    return name.lstrip(".") or "clip"


def _list_projects(home: Path) -> Iterator[Path]:
    try:
        entries = sorted(home.iterdir())
    except OSError:
        return
    for folder in entries:
        # A link may lead anywhere.
        if not folder.is_symlink() and (folder / PROJECT_FILE).is_file():
            yield folder


def _is_of(folder: Path, clip: Path) -> bool:
    try:
        return read_source(folder) == clip
    except (DataRootError, OSError):
        return False


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except (OSError, OuttakeError):
        return False
