"""A project of one picture: what is labelled on it is taken out, without any network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from outtake.core.errors import ConfigError
from outtake.data.decode_files import IMAGE_SUFFIXES
from outtake.labelled_video.project_folder import MASK_FOLDER
from outtake.studio.job_commands import JobCommand
from outtake.studio.project import Project

STILL_REMOVERS = ("exemplar", "inpaint", "alpha", "blur", "pixelate", "solid")
_RESULTS = "results"
# What a person paints ends a little inside the object's soft rim.
_GROWTH = 0.005


def find_picture(project: Project) -> Path | None:
    """Return the picture of a project of one; None for a video or several pictures."""
    if project.frames.count != 1:
        return None
    images = project.frames.info.images
    path = Path(images[0]) if images else project.source
    return path if path.suffix.lower() in IMAGE_SUFFIXES else None


def build_picture_removal(project: Project, options: Mapping[str, object]) -> JobCommand:
    """Return the command that takes the labelled objects out of the picture.

    Args:
        project: The project of one picture.
        options: ``remove``, a list of classes, all objects by default; ``remover``.

    Raises:
        ConfigError: An option is not allowed, or no such object is labelled.
    """
    picture = find_picture(project)
    assert picture is not None
    if wrong := sorted(set(options) - {"remove", "remover"}):
        raise ConfigError(f"options: {wrong[0]!r} is none of remove, remover")
    remover = options.get("remover", STILL_REMOVERS[0])
    if remover not in STILL_REMOVERS:
        raise ConfigError(f"remover: must be one of {', '.join(STILL_REMOVERS)} for a picture")
    names = options.get("remove", project.classes[1:])
    if not isinstance(names, list) or not all(name in project.classes for name in names):
        raise ConfigError("remove: must be a list of classes")
    ids = [project.classes.index(name) for name in names]
    if not np.isin(project.labels[0].labels, ids).any():
        raise ConfigError("nothing to remove: mark the object on the picture first")
    root = project.folder.resolve()
    return JobCommand(
        "remove",
        ("predict", str(picture), str(root / _RESULTS),
         f"masks.path={root / MASK_FOLDER / '000000.png'}",
         f"masks.ids=[{','.join(map(str, ids))}]", f"masks.grow={_GROWTH}",
         f"remover={remover}", "overwrite=true"),
    )  # fmt: skip


def find_still_result(project: Project) -> Path | None:
    """Return the picture without its objects that was made last, None before the first."""
    picture = find_picture(project)
    if picture is None:
        return None
    made = (project.folder / _RESULTS / "removed").glob("*")
    found = [path for path in made if path.stem == picture.stem and path.suffix != ".part"]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def list_conversions(project: Project) -> list[str]:
    """Return a line for each thing of the frames that the studio does not show."""
    info = project.frames.info
    notes = []
    if info.has_alpha:
        notes.append("it is transparent in places, and its colours alone are shown")
    if info.bit_depth > 8:
        notes.append(f"its {info.bit_depth} bits are shown as 8")
    if notes and find_picture(project) is not None:
        notes.append("a removal keeps what the file has")
    return notes
