"""Where a clip, the labels of some of its frames and their classes are.

A project folder holds the labels of one clip, which it names::

    PROJECT/project.json              {"source": PATH of the clip, from here or absolute, ...}
    PROJECT/classes.yaml              names: [background, object], ignore: 255
    PROJECT/train/masks/000017.png    the classes of frame 17, counted from 0; 255 is unlabelled
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError
from outtake.data.class_file import read_class_file
from outtake.data.infer_classes import UNLABELLED_VALUE

PROJECT_FILE, CLASS_FILE = "project.json", "classes.yaml"
MASK_FOLDER = Path("train/masks")
_MAX_CLASS_FILE_BYTES = 64 << 10


@dataclass(frozen=True)
class ClipFiles:
    """What a data set of one clip is made of.

    Attributes:
        video: The clip: a video, or a folder of its frames.
        masks: Its masks.
        classes: The names of the classes, or a yaml of them; None where masks tell.
        first: The number that the mask of the first frame has in its name; None finds it.
    """

    video: str
    masks: str
    classes: str | Sequence[str] | None = None
    first: int | None = None


def find_clip_files(
    root: str | None,
    video: str | None,
    masks: str | None,
    classes: str | Sequence[str] | None,
    first: int | None,
) -> ClipFiles:
    """Return what was named, and what a project folder says of the rest.

    Args:
        root: The folder below which the files are, or a project folder; None for neither.
        video: The clip; None for that of the project.
        masks: Its masks; None for those of the project.
        classes: Its classes; None for ``classes.yaml`` in the root, if there is one.
        first: As in :class:`ClipFiles`; a project counts from 0.

    Raises:
        ConfigError: Something is named neither way.
        DataRootError: The project does not say where its clip is, or has no labels.
    """
    folder = Path(root or ".").expanduser()
    project = folder / PROJECT_FILE
    is_project = root is not None and project.is_file()
    if not is_project and not (video and masks):
        raise ConfigError(
            "data=clip needs data.source.video=FILE and data.source.masks=PATH: a video of masks, "
            "or a folder with a picture for each labelled frame; or data.root=PROJECT, a folder "
            f"with {PROJECT_FILE}"
        )
    if classes is None and root is not None and (folder / CLASS_FILE).is_file():
        classes = str(folder / CLASS_FILE)
    if not is_project:
        assert video is not None and masks is not None
        return ClipFiles(_place(video, folder), _place(masks, folder), classes, first)
    found = ClipFiles(
        read_project_clip(project)[0] if video is None else _place(video, folder),
        str(folder / MASK_FOLDER) if masks is None else _place(masks, folder),
        classes,
        first,
    )
    if masks is not None:
        return found
    if not any((folder / MASK_FOLDER).glob("[!.]*")):
        raise DataRootError(f"{folder / MASK_FOLDER}: no frame is labelled; label some first")
    return replace(found, first=0 if first is None else first)


def _place(value: str, root: Path) -> str:
    """Return a path as it is given if it is there, or else below the root if that is there."""
    below = root / Path(value).expanduser()
    return str(below) if not Path(value).expanduser().exists() and below.exists() else value


def find_set_of_masks(folder: Path) -> Path | None:
    """Return the folder of the project or training set whose masks lie in a folder."""
    return folder.parents[1] if folder.parts[-2:] == MASK_FOLDER.parts else None


def ignores_255(classes: Path) -> bool:
    """Return whether a classes file says that 255 is unlabelled; one that is a link does not count.

    Raises:
        ConfigError: It cannot be read, or contradicts itself.
    """
    if classes.is_symlink() or not classes.is_file():
        return False
    if classes.stat().st_size > _MAX_CLASS_FILE_BYTES:
        return False
    return read_class_file(classes).ignore == UNLABELLED_VALUE


def keeps_255_unlabelled(folder: Path) -> bool:
    """Return whether 255 is unlabelled in the masks of a folder: those of a project or of a set.

    Raises:
        ConfigError: The classes file beside them is wrong.
    """
    root = find_set_of_masks(folder)
    return root is not None and ((root / PROJECT_FILE).is_file() or ignores_255(root / CLASS_FILE))


def describe_unlabelled(name: str, root: Path) -> str:
    """Return a line on what labels of classes mean as masks: all but the first are removed.

    Args:
        name: How the masks were named.
        root: The project or training set whose labels they are.
    """
    return (
        f"masks: {name} holds the labels of {root.name}, where {UNLABELLED_VALUE} is "
        "unlabelled: it is not removed, as far as values are numbers of classes; "
        "masks.ids=[1] removes one class alone"
    )


def check_project(project: Path) -> None:
    """Raise ConfigError if a folder is no project."""
    if not (project / PROJECT_FILE).is_file():
        raise ConfigError(
            f"labels={project}: is no project; give a folder with {PROJECT_FILE}, {CLASS_FILE} and "
            f"{MASK_FOLDER}/, as outtake studio makes it"
        )


def read_project_clip(project: Path) -> tuple[str, str | None]:
    """Return where the clip of a project is, and the SHA-256 of its content, None if not said.

    Args:
        project: Its ``project.json``.

    Raises:
        DataRootError: It does not say where.
    """
    try:
        content = json.loads(project.read_text(encoding="utf-8"))
        source = content["source"]
        path, digest = source, None
        if isinstance(source, dict):
            path, digest = source["path"], source.get("sha256")
        if not isinstance(path, str) or not path:
            raise TypeError("no path")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataRootError(
            f'{project} does not say which clip it is of ("source": PATH); name it with '
            "data.source.video=FILE"
        ) from error
    place = str(project.parent / Path(path).expanduser())
    return place, digest if isinstance(digest, str) else None
