"""Masks of the user's own for pictures: by name, or one for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outtake.core.errors import ConfigError, VideoError
from outtake.core.types import Mask
from outtake.data.list_pictures import list_pictures
from outtake.masking.annotation_files import ANNOTATION_SUFFIXES, read_annotations
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_picture import MASK_PICTURE_SUFFIXES, read_mask_picture
from outtake.masking.mask_source import fits, resize_mask
from outtake.masking.mask_values import MaskMeaning, MaskValueOptions, explain_doubt, find_meaning
from outtake.masking.morphology import dilate_mask
from outtake.pictures.find_pictures import PictureFile
from outtake.video.read.safety_limits import SafetyLimits

_SAMPLE = 12


@dataclass(frozen=True)
class PictureMasks:
    """The masks of pictures.

    Attributes:
        paths: The file of each picture's mask, by the picture's name.
        meaning: What the values of mask pictures mean; None where all are annotations.
        options: What the user says about their values.
        grow: The fraction of the height by which masks are dilated.
        notes: What was decided, one line each.
        warnings: What looks wrong, one line each.
    """

    paths: dict[str, Path]
    meaning: MaskMeaning | None
    options: MaskValueOptions
    grow: float = 0.0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def read(self, file: PictureFile, size: tuple[int, int]) -> Mask:
        """Return the mask of a picture, bool (H, W).

        Args:
            file: The picture.
            size: Its height and width.

        Raises:
            VideoError: The mask cannot be read.
            ConfigError: It is missing, or of another shape.
        """
        path = self.paths.get(file.name)
        if path is None:
            raise ConfigError(f"{file.relative} has no mask")
        if path.suffix.lower() in ANNOTATION_SUFFIXES:
            found = read_annotations([path]).frames
            named = [each for each in found if Path(each.name).stem == file.path.stem] or found
            mask = named[0].draw(named[0].size or size, self.options.ids)
            mask = mask ^ np.uint8(1) if self.options.invert else mask
        else:
            assert self.meaning is not None
            picture = read_mask_picture(path, SafetyLimits())
            mask = self.meaning.to_mask(picture, path.name)
        if not fits((mask.shape[0], mask.shape[1]), size):
            raise ConfigError(
                f"its mask {path.name} is {mask.shape[1]}x{mask.shape[0]}, and the picture "
                f"{size[1]}x{size[0]}; a mask has the picture's size, or its shape"
            )
        grown = dilate_mask(resize_mask(mask, size), round(self.grow * size[0]))
        return np.asarray(grown.view(np.bool_))


def find_picture_masks(
    value: str | Sequence[str],
    files: Sequence[PictureFile],
    options: MaskValueOptions,
    grow: float = 0.0,
) -> PictureMasks:
    """Find the mask of each picture: the file of the same name, or the only one there is.

    Args:
        value: A folder, a file, or several.
        files: The pictures.
        options: What the user says about the values of masks.
        grow: The fraction of the height by which masks are dilated.

    Raises:
        VideoError: There are no masks, or one of those looked at cannot be read.
        ConfigError: No picture has a mask, or an option does not go with the masks.
    """
    named = _list_masks(value)
    notes: list[str] = []
    if len(named) == 1 and not any(file.name in named for file in files):
        (only,) = named.values()
        paths = dict.fromkeys((file.name for file in files), only)
        notes.append(f"masks: {only.name} is the mask of every picture")
    else:
        by_stem = {name: path for name, path in named.items()}
        paths = {}
        for file in files:
            plain = file.relative.with_suffix("").as_posix()
            mask = by_stem.get(file.name) or by_stem.get(plain)
            if mask is not None:
                paths[file.name] = mask
    if not paths:
        raise ConfigError(
            f"masks={value}: no mask has the name of a picture; {files[0].relative} would need "
            f"{files[0].name}.png there"
        )
    without = [file for file in files if file.name not in paths]
    warnings = [f"masks: {flaw}" for flaw in _flaws_of_annotations(paths.values())]
    if without:
        warnings.append(
            f"{len(without)} of {len(files)} pictures have no mask (as {without[0].relative}) "
            "and are left out"
        )
    pictures = [path for path in paths.values() if path.suffix.lower() in MASK_PICTURE_SUFFIXES]
    meaning = None
    if pictures:
        meaning, doubt = _decide(list(dict.fromkeys(pictures)), options)
        notes.append(f"masks: {meaning.describe()}")
        warnings += [f"masks: {doubt}"] if doubt else []
    return PictureMasks(paths, meaning, options, grow, tuple(notes), tuple(warnings))


def _flaws_of_annotations(paths: Iterable[Path]) -> list[str]:
    """Return what looks wrong in a file of annotations that is of several pictures."""
    files = {path for path in paths if path.suffix.lower() in ANNOTATION_SUFFIXES}
    return read_annotations([*files]).flaws if len(files) == 1 else []


def _decide(pictures: Sequence[Path], options: MaskValueOptions) -> tuple[MaskMeaning, str | None]:
    step = max(1, len(pictures) // _SAMPLE)
    sample = [read_mask_picture(path, SafetyLimits()) for path in pictures[::step][:_SAMPLE]]
    meaning = find_meaning(sample, options)
    return meaning, explain_doubt(sample, meaning, options)


def _list_masks(value: str | Sequence[str]) -> dict[str, Path]:
    """Return mask files by their path under the folder that was named, without suffix."""
    folder = Path(value).expanduser() if isinstance(value, str) else None
    if folder is not None and folder.is_dir():
        listed = dict(list_pictures(folder).pictures)
        for path in _annotations(folder):
            listed.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if listed:
            return listed
        raise VideoError(f"masks={value}: the folder holds no mask")
    found = find_mask_files(value)
    if found.objects:
        raise VideoError(f"masks={value}: has a folder for each object, as masks of videos do")
    if found.kind == "video":
        raise VideoError(f"masks={value}: is a video; the masks of pictures are pictures")
    return {path.stem: path for path in found.files}


def _annotations(folder: Path) -> Iterable[Path]:
    return sorted(
        path
        for path in folder.rglob("[!.]*")
        if path.suffix.lower() in ANNOTATION_SUFFIXES and path.is_file()
    )
