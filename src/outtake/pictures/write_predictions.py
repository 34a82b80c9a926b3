"""What is written of the labels of one picture: ids, colours, an overlay, polygons."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from outtake.core.files import replace_file, write_json
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.drawing.label_pictures import colourise, draw_colour_key, overlay_labels, save_png
from outtake.pictures.find_pictures import PictureFile
from outtake.refine.contours import contours_to_labelme, find_contours

Output = Literal["labels", "colours", "overlay", "polygons", "shares", "removed"]

# The folders of what is written for each picture, and its suffix.
SUFFIXES: dict[Output, str] = {
    "labels": ".png",
    "colours": ".png",
    "overlay": ".png",
    "polygons": ".json",
}
_MAX_KEY_ENTRIES = 12
_KEY_LINE_PX, _MAX_KEY_SHARE = 17, 0.6  # of small pictures: a line, and the height for all
_GREY = (160, 160, 160)


def output_path(folder: Path, output: Output, file: PictureFile) -> Path:
    """Return where an output of a picture goes: ``FOLDER/labels/sub/NAME.png``."""
    return folder / output / f"{file.name}{SUFFIXES[output]}"


def removed_path(folder: Path, file: PictureFile, suffix: str) -> Path:
    """Return where a picture without what is removed goes: ``FOLDER/removed/sub/NAME.SUFFIX``.

    A name that keeps the suffix of the picture gets another one only if that differs.
    """
    keeps = file.name == file.relative.as_posix() and suffix == file.path.suffix
    return folder / "removed" / (file.name if keeps else f"{file.name}{suffix}")


def save_label_map(path: Path, labels: LabelMap, label_space: LabelSpace) -> None:
    """Write class ids as PNG, whole or not at all; its palette shows the colours of the classes.

    Args:
        path: The file.
        labels: uint8 (H, W).
        label_space: The classes.
    """
    picture = Image.fromarray(np.ascontiguousarray(labels))
    picture.putpalette(label_space.palette().tobytes())
    packed = BytesIO()
    picture.save(packed, "PNG", bits=8)
    replace_file(path, lambda file: file.write(packed.getvalue()))


def draw_overlay(image: Frame, labels: LabelMap, label_space: LabelSpace) -> Frame:
    """Tint a picture, uint8 (H, W, 3), in the colours of its classes; the largest are named.

    The background, if a class is named so, is not tinted.
    """
    background = label_space.background_id
    tinted = overlay_labels(image, labels, label_space.palette(), background=background)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(label_space.names)]
    present = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    room = int(_MAX_KEY_SHARE * labels.shape[0] / _KEY_LINE_PX)
    most = min(_MAX_KEY_ENTRIES, max(room, 1))
    shown = present if len(present) <= most else present[: most - 1]
    entries = [
        (f"{label_space.names[index]}, not tinted", _GREY)
        if index == background
        else (label_space.names[index], label_space.colours[index])
        for index in shown
    ]
    if len(shown) < len(present):
        entries.append((f"and {len(present) - len(shown)} more", _GREY))
    draw_colour_key(tinted, entries)
    return tinted


def write_label_outputs(
    folder: Path,
    file: PictureFile,
    image: Frame,
    labels: LabelMap,
    label_space: LabelSpace,
    outputs: tuple[Output, ...],
    *,
    min_area: float = 0.0,
    simplify_px: float = 0.0,
) -> None:
    """Write what was asked for of the labels of a picture, each file whole or not at all.

    Args:
        folder: The folder; each output has a subfolder.
        file: The picture.
        image: Its pixels, uint8 (H, W, 3).
        labels: uint8 (H, W).
        label_space: What the labels mean.
        outputs: What is written; others than those of :data:`SUFFIXES` are left out.
        min_area: The share of the picture below which a region has no polygon.
        simplify_px: How far an outline may be from the true one, in pixels; 0: exact.

    Raises:
        OutputError: A file cannot be written.
    """
    for output in outputs:
        if output not in SUFFIXES:
            continue
        path = output_path(folder, output, file)
        if output == "labels":
            save_label_map(path, labels, label_space)
        elif output == "colours":
            save_png(path, colourise(labels, label_space.palette()))
        elif output == "overlay":
            save_png(path, draw_overlay(image, labels, label_space))
        else:
            contours = [
                contour
                for contour in find_contours(labels, simplify_px, label_space.ignore_index)
                if contour.label < len(label_space.names)
                and contour.area_px >= min_area * labels.size
            ]
            seen_from = os.path.relpath(file.path, path.parent)
            size = (labels.shape[0], labels.shape[1])
            write_json(path, contours_to_labelme(contours, size, label_space.names, seen_from))
