"""The labels of a project folder, for a network that is to label the rest of its clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.types import LabelMap
from outtake.data.class_file import decoder_from_class_file, read_class_file
from outtake.data.image_files import read_stored_mask
from outtake.labelled_video.project_folder import (
    CLASS_FILE,
    MASK_FOLDER,
    PROJECT_FILE,
    check_project,
    read_project_clip,
)
from outtake.masking.frame_numbers import number_in_name
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput, expand_inputs


def read_project_labels(
    project: Path, source: VideoInput, size: tuple[int, int], space: LabelSpace
) -> dict[int, LabelMap]:
    """Return the labels of a project by the number of the frame, as ids of a network's classes.

    Args:
        project: The project folder, see :mod:`outtake.labelled_video.project_folder`.
        source: The clip, of which the project must be.
        size: The height and width of its frames.
        space: The classes of the network; those of the project are found in it by name.

    Returns:
        uint8 (H, W), 255 where unlabelled; empty where no frame is labelled.

    Raises:
        OuttakeError: The folder is no project or is that of another clip, a mask cannot be read, or
            it shows a class that the network does not know.
    """
    check_project(project)
    if not _is_of_clip(project, source):
        raise ConfigError(
            f"labels={project}: are those of another clip than {source.path.name}; leave out "
            "labels=, or give the clip that was labelled"
        )
    files = _find_masks(project)
    decoder = decoder_from_class_file(
        read_class_file(project / CLASS_FILE), [str(path) for path in files.values()]
    )
    ids = np.full(256, space.ignore_index, np.uint8)
    names = decoder.labels.names
    known = [space.names.index(name) if name in space.names else -1 for name in names]
    ids[: len(known)] = np.maximum(known, 0)
    found: dict[int, LabelMap] = {}
    for number, path in files.items():
        own = decoder.decode(read_stored_mask(path), str(path))
        shown = np.unique(own)
        unknown = [int(each) for each in shown if each < len(known) and known[each] < 0]
        if unknown:
            raise ConfigError(
                f"{path}: shows {names[unknown[0]]!r}, which the network does not "
                f"know: {', '.join(space.names)}; train it with the project (init_from=RUN)"
            )
        if own.shape != size:
            raise ConfigError(
                f"{path}: is {own.shape[1]}x{own.shape[0]}, and frames are {size[1]}x{size[0]}"
            )
        found[number] = np.asarray(cv2.LUT(own, ids), np.uint8)
    return found


def _find_masks(project: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted((project / MASK_FOLDER).glob("[!.]*.png")):
        number = number_in_name(path.name)
        if number is None:
            raise ConfigError(f"{path}: has no number in its name; name it as 000017.png")
        if number in found:
            raise ConfigError(f"{path}: has the number of {found[number].name}; leave one of them")
        found[number] = path
    return found


def _is_of_clip(project: Path, source: VideoInput) -> bool:
    path, digest = read_project_clip(project / PROJECT_FILE)
    if Path(path).exists() and Path(path).resolve() == source.path.resolve():
        return True
    if digest is None:
        if not Path(path).exists():
            return False
        digest = _digest(expand_inputs(path)[0])
    return _digest(source) == digest


def _digest(source: VideoInput) -> str:
    with open_clip(source, high_bit_depth=False) as clip:
        return clip.digest()
