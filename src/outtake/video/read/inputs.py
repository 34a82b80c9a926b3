"""What an ``input`` value stands for: one clip, or several."""

from __future__ import annotations

import glob
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import VideoError
from outtake.core.files import sha256_of_file
from outtake.video.read.open_media import suggest_nearby
from outtake.video.read.stream_address import STREAM_PROTOCOLS, is_camera, is_url, redact_address

STANDARD = "-"  # standard input or output, in the place of a file
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".exr", ".dpx")
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".vob", ".flv", ".gif", ".wmv", ".asf", ".ogv", ".ogg", ".mxf", ".nut", ".ivf", ".3gp",
    ".dv", ".h264", ".264", ".h265", ".265", ".hevc", ".y4m",
)  # fmt: skip
_GLOB_CHARACTERS = re.compile(r"[*?\[]")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VideoInput:
    """One clip that can be opened.

    Attributes:
        path: The file, or the folder in which the images lie; for a stream or a camera its
            address without a password. It is used for names and messages.
        images: The images in the order of showing; empty for a video.
        address: The full address of a stream or a camera, with everything needed to open it.
    """

    path: Path
    images: tuple[Path, ...] = ()
    address: str | None = None

    @property
    def name(self) -> str:
        """A short name for outputs and messages: the file's without its suffix."""
        name = self.path.name.replace(":", "_")
        return name if self.images or self.address else self.path.stem


def expand_inputs(value: str | Path | Sequence[str | Path], key: str = "input") -> list[VideoInput]:
    """Return the clips that a file, folder, glob, list, camera or address stands for.

    The images of a glob or a list are one clip; each video is a clip.

    Args:
        value: The value of the option.
        key: The name of the option, for messages.

    Raises:
        VideoError: Nothing is there, or images and videos are mixed.
    """
    several = not isinstance(value, str | Path)
    values = [*value] if isinstance(value, Sequence) and several else [value]
    if not values:
        raise VideoError(f"{key}=[]: the list is empty; name a video or images")
    found = [source for entry in values for source in _expand_value(str(entry), key)]
    files = [source for source in found if _is_single_image(source)]
    if not files:
        return found
    if len(files) < len(found):
        other = next(source for source in found if source not in files)
        raise VideoError(
            f"{key} mixes images ({files[0].path.name}) and videos ({other.path.name}); give "
            "them in runs of their own"
        )
    return [VideoInput(files[0].path.parent, tuple(source.path for source in files))]


def _is_single_image(source: VideoInput) -> bool:
    return source.images == (source.path,)


def _expand_value(text: str, key: str) -> list[VideoInput]:
    try:
        return _expand_text(text)
    except VideoError as error:
        if key == "input":
            raise
        raise VideoError(f"{key}={redact_address(text)}: {error}") from error


def _expand_text(text: str) -> list[VideoInput]:
    if is_camera(text):
        return [VideoInput(Path(text), address=text)]
    if is_url(text):
        return [_input_from_url(text)]
    path = Path(text).expanduser()
    if path.exists() or not is_glob(text):
        return [_input_from_path(path)]
    paths = sorted(map(Path, glob.glob(str(path), recursive=True)), key=natural_sort_key)
    known = [entry for entry in paths if entry.is_dir() or _is_media_file(entry)]
    if not known:
        there = f"{len(paths)} files match, none of them a video or an image" if paths else ""
        raise VideoError(f"no clip: {there or 'nothing matches'} {text}{suggest_nearby(path)}")
    if len(known) < len(paths):
        log.info("%s: %d files are no videos or images", text, len(paths) - len(known))
    return [_input_from_path(entry) for entry in known]


def is_glob(text: str) -> bool:
    """Return whether a text has characters that stand for others, and may name several files."""
    return _GLOB_CHARACTERS.search(text) is not None


def _is_media_file(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES


def _input_from_url(url: str) -> VideoInput:
    scheme = url.partition("://")[0].lower()
    if scheme not in STREAM_PROTOCOLS:
        raise VideoError(
            f"{redact_address(url)}: unknown kind of stream; use {', '.join(STREAM_PROTOCOLS)}"
        )
    return VideoInput(Path(redact_address(url)), address=url)


def _input_from_path(path: Path) -> VideoInput:
    if not path.exists():
        raise VideoError(f"no such video: {path}{suggest_nearby(path)}")
    if path.is_dir():
        return VideoInput(path, _list_images(path))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return VideoInput(path, (path,))
    return VideoInput(path)


def _list_images(folder: Path) -> tuple[Path, ...]:
    entries = [entry for entry in folder.glob("[!.]*") if entry.is_file()]
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES]
        hint = f"; for its {len(videos)} videos say '{folder}/*'" if videos else ""
        raise VideoError(f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}){hint}")
    return tuple(sorted(images, key=natural_sort_key))


def natural_sort_key(path: Path) -> tuple[list[list[tuple[int, int, str]]], str]:
    """Return a key that sorts paths as people do: 2 before 10.

    The order of ``1`` and ``01``, or ``a`` and ``A``, is never left to the file system.
    """
    parts = [
        [
            (0, int(part), "") if part.isdecimal() else (1, 0, part)
            for part in re.split(r"(\d+)", name.lower())
            if part
        ]
        for name in path.parts
    ]
    return parts, str(path)


def sha256_of_input(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        VideoError: The file cannot be read.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}") from error


def sha256_of_images(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over the names and the content of files, in their order.

    Raises:
        VideoError: A file cannot be read.
    """
    lines = (f"{sha256_of_input(path)} {path.name}" for path in paths)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
