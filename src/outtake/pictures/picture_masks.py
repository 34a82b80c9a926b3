"""Masks of the user's own for pictures: by name, or one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from outtake.core.errors import ConfigError, VideoError
from outtake.core.types import Mask
from outtake.data.infer_classes import UNLABELLED_VALUE
from outtake.data.list_pictures import list_pictures
from outtake.labelled_video.project_folder import (
    describe_unlabelled,
    find_set_of_masks,
    keeps_255_unlabelled,
)
from outtake.masking.annotation_files import (
    ANNOTATION_SUFFIXES,
    AnnotatedFrame,
    read_annotations,
)
from outtake.masking.find_mask_files import CLASS_LISTS, find_mask_files
from outtake.masking.mask_picture import MASK_PICTURE_SUFFIXES, read_mask_picture
from outtake.masking.mask_source import fits, resize_mask
from outtake.masking.mask_values import MaskMeaning, MaskValueOptions, explain_doubt, find_meaning
from outtake.masking.morphology import dilate_mask
from outtake.pictures.find_pictures import PictureFile, compose_accents
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
        shapes: What is marked in each picture, by its name, where one file has it of all.
        notes: What was decided, one line each.
        warnings: What looks wrong, one line each.
    """

    paths: dict[str, Path]
    meaning: MaskMeaning | None
    options: MaskValueOptions
    grow: float = 0.0
    shapes: Mapping[str, AnnotatedFrame] = field(default_factory=dict)
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
            shapes = self.shapes.get(file.name)
            if shapes is None:
                shapes = _find_shapes(read_annotations([path]).frames, file)
            if shapes is None:
                raise ConfigError(f"{path.name} has no entry for {file.relative}")
            mask = shapes.draw(shapes.size or size, self.options.ids)
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
        ConfigError: No picture has a mask, an option does not go with the masks, or the classes
            file beside them is wrong.
    """
    named = _list_masks(value)
    notes: list[str] = []
    shapes: dict[str, AnnotatedFrame] = {}
    if len(named) == 1 and not any(compose_accents(file.name) in named for file in files):
        (only,) = named.values()
        shapes = _find_all_shapes(only, files)
        paths = dict.fromkeys(shapes or (file.name for file in files), only)
        said = f"has shapes of {len(shapes)} pictures" if shapes else "is the mask of every picture"
        notes.append(f"masks: {only.name} {said}")
    else:
        paths = {}
        others = {compose_accents(file.name) for file in files}
        for file in files:
            own = compose_accents(file.name)
            plain = compose_accents(file.relative.with_suffix("").as_posix())
            mask = named.get(own) or (None if plain in others else named.get(plain))
            if mask is not None:
                paths[file.name] = mask
    if not paths:
        raise ConfigError(
            f"masks={value}: no mask has the name of a picture; {files[0].relative} would need "
            f"{files[0].name}.png there"
        )
    without = [file for file in files if file.name not in paths]
    warnings = [f"masks: {flaw}" for flaw in _flaws_of_annotations(paths.values())]
    unused = {*named.values()} - {*paths.values()}
    if lost := sorted(path for path in unused if path.suffix.lower() in ANNOTATION_SUFFIXES):
        warnings.append(
            f"masks: {len(lost)} annotations (as {lost[0].name}) have the name of no picture and "
            "are left out"
        )
    if without:
        warnings.append(
            f"{len(without)} of {len(files)} pictures have no mask (as {without[0].relative}) "
            "and are left out"
        )
    pictures = [path for path in paths.values() if path.suffix.lower() in MASK_PICTURE_SUFFIXES]
    meaning = None
    if pictures:
        labelled = _find_labelled_folder(pictures[0])
        if labelled is not None:
            options = replace(options, unlabelled=UNLABELLED_VALUE)
        meaning, doubt = _decide(list(dict.fromkeys(pictures)), options)
        notes.append(f"masks: {meaning.describe()}")
        warnings += [f"masks: {doubt}"] if doubt else []
        if labelled is not None:
            name = Path(value).name if isinstance(value, str) else f"{len(value)} files"
            warnings.append(describe_unlabelled(name, labelled))
    return PictureMasks(paths, meaning, options, grow, shapes, tuple(notes), tuple(warnings))


def _find_labelled_folder(mask: Path) -> Path | None:
    """Return the project or training set of a mask, in a folder or below, if 255 is unlabelled."""
    for folder in mask.absolute().parents:
        if keeps_255_unlabelled(folder):
            return find_set_of_masks(folder)
    return None


def _find_all_shapes(path: Path, files: Sequence[PictureFile]) -> dict[str, AnnotatedFrame]:
    """Return what one file marks in each picture, by its name; nothing where it is of one picture.

    Raises:
        ConfigError: It is of several pictures, and none of these is among them.
    """
    if path.suffix.lower() not in ANNOTATION_SUFFIXES:
        return {}
    frames = read_annotations([path]).frames
    found = {file.name: _match_shapes(frames, file) for file in files}
    shapes = {name: entry for name, entry in found.items() if entry is not None}
    if not shapes and len(frames) > 1:
        raise ConfigError(
            f"masks={path}: has shapes of {len(frames)} pictures, as {frames[0].name}, and none of "
            f"the pictures to clean, as {files[0].relative}, is among them"
        )
    return shapes


def _find_shapes(frames: Sequence[AnnotatedFrame], file: PictureFile) -> AnnotatedFrame | None:
    """Return the only entry, or that of a picture."""
    return frames[0] if len(frames) == 1 else _match_shapes(frames, file)


def _match_shapes(frames: Sequence[AnnotatedFrame], file: PictureFile) -> AnnotatedFrame | None:
    """Return the entry of a picture: one path is the end of the other."""
    parts = _path_without_suffix(file.relative)
    found, agree = None, 0
    for frame in frames:
        own = _path_without_suffix(PurePosixPath(frame.name.replace("\\", "/")))
        common = min(len(own), len(parts))
        if common > agree and own[-common:] == parts[-common:]:
            found, agree = frame, common
    return found


def _path_without_suffix(path: PurePath) -> tuple[str, ...]:
    return (*path.parent.parts, path.stem)


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
    """Return mask files by their path under the folder, without suffix, with accents composed."""
    folder = Path(value).expanduser() if isinstance(value, str) else None
    if folder is not None and folder.is_dir():
        listed = dict(list_pictures(folder).pictures)
        shapes = {
            compose_accents(path.relative_to(folder).with_suffix("").as_posix()): path
            for path in _list_annotations(folder)
        }
        # Pictures beside annotations of their names are what was annotated.
        listed = shapes if shapes.keys() & listed.keys() else listed | shapes
        if listed:
            return listed
        raise VideoError(f"masks={value}: the folder holds no mask")
    found = find_mask_files(value)
    if found.objects:
        raise VideoError(f"masks={value}: has a folder for each object, as masks of videos do")
    if found.kind == "video":
        raise VideoError(f"masks={value}: is a video; the masks of pictures are pictures")
    return {compose_accents(path.stem): path for path in found.files}


def _list_annotations(folder: Path) -> Iterable[Path]:
    return sorted(
        path
        for path in folder.rglob("[!.]*")
        if path.suffix.lower() in ANNOTATION_SUFFIXES
        and path.name.lower() not in CLASS_LISTS
        and path.is_file()
    )
