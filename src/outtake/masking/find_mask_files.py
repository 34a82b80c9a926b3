"""What a ``masks`` value stands for: pictures, a video, or annotations."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from outtake.core.errors import VideoError
from outtake.masking.annotation_files import ANNOTATION_SUFFIXES
from outtake.masking.frame_numbers import number_in_name
from outtake.masking.mask_picture import MASK_PICTURE_SUFFIXES
from outtake.masking.object_folders import find_object_folders, list_object_masks
from outtake.video.read.animated_image import is_animated
from outtake.video.read.inputs import STANDARD, VideoInput, expand_inputs, is_glob, natural_sort_key
from outtake.video.read.open_media import suggest_nearby
from outtake.video.read.stream_address import is_camera, is_url

Kind = Literal["pictures", "video", "annotations"]
CLASS_LISTS = ("classes.txt", "labels.txt")  # beside the text files of YOLO


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """The files of masks.

    Attributes:
        kind: What they are.
        files: Pictures or annotations, in natural order; empty for a video.
        video: The video; None for anything else.
        name: How they were named, for messages.
        objects: The folders of the objects whose masks are united, where each object has its own;
            ``files`` has one picture for each frame then, and the others have its name.
        unused_files: What lies beside pictures and might hold annotations, such as a read-me.
        named_itself: Whether a file was named, not a folder or a glob in which it was found.
    """

    kind: Kind
    files: tuple[Path, ...] = ()
    video: VideoInput | None = None
    name: str = ""
    objects: tuple[Path, ...] = ()
    unused_files: tuple[Path, ...] = ()
    named_itself: bool = False

    @property
    def is_still(self) -> bool:
        """Whether one picture is the mask of every frame: named itself, or without a number."""
        if self.kind != "pictures" or len(self.files) != 1:
            return False
        return self.named_itself or number_in_name(self.files[0].name) is None

    def paths(self) -> list[Path]:
        """Return what is read, and the folder in which it lies."""
        if self.video is not None:
            return [] if self.video.address else [self.video.path]
        if self.objects:
            files = [each / file.name for each in self.objects for file in self.files]
            return [*self.objects, *(file for file in files if file.is_file())]
        return [*{file.parent: None for file in self.files}, *self.files]


def find_mask_files(
    value: str | Path | Sequence[str | Path], ids: Sequence[int | str] | None = None
) -> MaskFiles:
    """Return the masks that a file, folder, glob, list or address stands for.

    Annotations beside pictures of the same names are the masks: those pictures are the frames.

    Args:
        value: What the user named.
        ids: What is to be removed; where each object has a folder, these are their names.

    Raises:
        VideoError: Nothing is there, or several clips are.
        ConfigError: No folder of an object has one of the ids.
    """
    entries = [value] if isinstance(value, str | Path) else [*value]
    for entry in entries:
        _check_is_there(str(entry))
    name = Path(str(entries[0])).name if len(entries) == 1 else f"{len(entries)} files"
    objects = find_object_folders(Path(entries[0]).expanduser(), ids) if len(entries) == 1 else None
    if objects is not None:
        pictures = list_object_masks(objects[0].parent)
        return MaskFiles("pictures", pictures, name=name, objects=objects)
    listed = [_list_files(Path(entry).expanduser()) for entry in entries]
    found = [file for files in listed for file in _choose_masks(files)]
    # Pictures beside annotations are what was annotated, and no loss.
    chosen = set(found)
    unused = tuple(
        file for files in listed for file in files if _is_annotation(file) and file not in chosen
    )
    known: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("annotations", ANNOTATION_SUFFIXES),
        ("pictures", MASK_PICTURE_SUFFIXES),
    )
    for kind, suffixes in known:
        files = [file for file in found if file.suffix.lower() in suffixes]
        if len(files) == 1 and _is_clip(files[0]):
            break
        if files and (kind == "annotations" or len(files) == len(found)):
            ordered = tuple(sorted(files, key=natural_sort_key))
            itself = len(entries) == 1 and Path(entries[0]).expanduser().is_file()
            return MaskFiles(kind, ordered, name=name, unused_files=unused, named_itself=itself)
    clips = expand_inputs(value, "masks")
    if len(clips) > 1:
        names = ", ".join(clip.path.name for clip in clips[:3])
        raise VideoError(
            f"masks={value}: are {len(clips)} clips ({names}); name one video, one folder of "
            "images, or images"
        )
    return MaskFiles("video", video=clips[0], name=clips[0].path.name)


def _check_is_there(entry: str) -> None:
    """Refuse what is no place of masks, before it is looked at as a video."""
    if entry == STANDARD:
        raise VideoError(
            "masks=-: standard input takes the clip alone; name a file, a folder or a glob"
        )
    path = Path(entry).expanduser()
    if not path.exists() and not is_camera(entry) and not is_url(entry) and not is_glob(entry):
        raise VideoError(f"masks={entry}: no such file or folder{suggest_nearby(path)}")


def _is_annotation(file: Path) -> bool:
    return file.suffix.lower() in ANNOTATION_SUFFIXES


def _is_clip(file: Path) -> bool:
    """Return whether a picture is a clip by itself."""
    suffix = file.suffix.lower()
    return suffix == ".gif" or (suffix in (".png", ".webp") and is_animated(file))


def _list_files(path: Path) -> list[Path]:
    """Return the pictures and annotations of a file, a folder or a glob."""
    if path.is_dir():
        listed = [entry for entry in path.glob("[!.]*") if entry.is_file()]
        folders = [entry for entry in path.glob("[!.]*") if entry.is_dir()]
        if not listed and not folders:
            raise VideoError(f"masks={path}: is an empty folder; name that of the masks")
        if not listed and len(folders) == 1:
            return _list_files(folders[0])  # a tool's folder for the one clip
        if not listed and folders:
            names = sorted(folder.name for folder in folders)[:3]
            raise VideoError(
                f"masks={path}: holds {len(folders)} folders ({', '.join(names)}) and no "
                "masks; name that of this clip, or take those that are objects of it, as in "
                f"masks.ids=[{','.join(names)}]"
            )
    elif path.is_file():
        listed = [path]
    else:
        listed = [Path(each) for each in glob.glob(str(path), recursive=True)]
    known = MASK_PICTURE_SUFFIXES + ANNOTATION_SUFFIXES
    return [
        entry
        for entry in listed
        if entry.suffix.lower() in known and entry.name.lower() not in CLASS_LISTS
    ]


def _choose_masks(files: Sequence[Path]) -> list[Path]:
    """Return the pictures or the annotations among files: what the others go with."""
    shapes = [file for file in files if _is_annotation(file)]
    pictures = [file for file in files if file.suffix.lower() in MASK_PICTURE_SUFFIXES]
    if {file.stem for file in shapes} & {file.stem for file in pictures}:
        return shapes  # the pictures are what was annotated, each or some of them
    # A read-me beside the masks; a whole set in one file comes alone.
    return pictures if len(shapes) < len(pictures) else shapes
