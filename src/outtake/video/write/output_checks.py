"""Checks of where an output may go, and the names beside it that belong to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path

from outtake.core.errors import OutputError
from outtake.core.files import check_folder
from outtake.video.read.inputs import VideoInput
from outtake.video.write.encoding_plan import Encoding, EncodingRequest, choose_encoding
from outtake.video.write.image_folder import (
    check_image_folder,
    choose_image_codec,
    sequence_names,
)
from outtake.video.write.segment_store import SegmentStore

# Files that a job reads: by the config key that names one or several, or without keys.
InputPaths = Mapping[str, str | Path | Sequence[Path]] | Sequence[str | Path]


def check_target(
    path: str | Path,
    video_input: str | Path | VideoInput,
    encoding: EncodingRequest | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    input_paths: InputPaths = (),
) -> Encoding | None:
    """Find out, before any work, what would keep a target from being written.

    Nothing is touched but the segments of a job that was killed when its target was complete.

    Args:
        path: The target.
        video_input: The input; with all its images if given as :class:`VideoInput`.
        encoding: How the frames are to be stored; the default for None.
        overwrite: Whether an earlier output is replaced.
        resume: Whether the segments of an interrupted job are used.
        input_paths: Files and folders that the job reads beside the source:
            ``{"masks": path}``, or ``{"masks": [path, path]}``.

    Returns:
        The encoding of a video; None for a folder of images.

    Raises:
        OutputError: The target or what lies beside it is a file that is read; the target exists,
            or lies where nothing can be written; or see :func:`choose_encoding`.
    """
    target = Path(path)
    if not target.name:
        raise OutputError(
            f"output {path} is a folder that is there; name a video in it, such as "
            f"{target / 'out.mp4'}, or a new folder for images"
        )
    check_not_an_input(target, video_input, input_paths)
    store = SegmentStore(segment_folder_of(target), "")
    store.delete_finished()
    overwrite = overwrite or (resume and store.is_finalizing())
    chosen = None
    if not target.suffix:
        images = video_input.images if isinstance(video_input, VideoInput) else ()
        request = encoding or EncodingRequest()
        codec = choose_image_codec(target, request.codec, images)
        _refuse_options_of_videos(target, request)
        check_image_folder(target, overwrite=overwrite, names=sequence_names(images, codec))
    else:
        chosen = choose_encoding(target, encoding or EncodingRequest())
        if target.is_dir():
            raise OutputError(f"output {target} is a folder; name a file")
        if target.exists() and not overwrite:
            raise OutputError(f"output {target} exists; set overwrite=true to replace it")
    check_folder(target.absolute().parent)
    return chosen


def _refuse_options_of_videos(target: Path, request: EncodingRequest) -> None:
    """Refuse what a folder of images, which are stored without loss, would leave unsaid."""
    usual = EncodingRequest()
    for key in ("crf", "bitrate", "passes", "profile", "level"):
        if getattr(request, key) != getattr(usual, key):
            raise _no_option_of_images(target, key, getattr(request, key))
    if request.copy_unchanged == "always":
        raise _no_option_of_images(target, "copy_unchanged", "always")


def _no_option_of_images(target: Path, key: str, value: object) -> OutputError:
    return OutputError(
        f"encode.{key}={value} is of videos, and output {target} is a folder of images, which are "
        "stored without loss; leave it out, or name a video"
    )


def segment_folder_of(target: Path) -> Path:
    """Return the folder in which a target grows."""
    return target.with_name(target.name + ".part")


def unused_partial_path(target: Path) -> Path:
    """Return an unused name for the playable part of a target."""
    stem, suffix = target.stem, target.suffix
    endings = chain([""], (f"-{number}" for number in count(2)))
    names = (target.with_name(f"{stem}.partial{ending}{suffix}") for ending in endings)
    return next(name for name in names if not os.path.lexists(name))


def list_input_paths(input_paths: InputPaths) -> tuple[Path, ...]:
    """Return the files and folders that are read."""
    return tuple(Path(path) for _, path in _paths_with_keys(input_paths))


def would_overwrite(output_path: Path, input_path: Path) -> bool:
    """Return whether replacing a file or folder would destroy one that is read."""
    real = Path(os.path.realpath(os.path.expanduser(input_path)))
    own = Path(os.path.realpath(output_path))
    if own == real or own in real.parents:
        return True
    try:
        return own.samefile(real)  # names that differ in upper and lower case only
    except OSError:
        return False


def check_not_an_input(
    target: Path, video_input: str | Path | VideoInput, input_paths: InputPaths = ()
) -> None:
    """Refuse to write over a file that is read, whatever ``overwrite`` says.

    Raises:
        OutputError: The target, its report or its segments would lie where a file is read.
    """
    inputs = (
        (video_input.path, *video_input.images)
        if isinstance(video_input, VideoInput)
        else (Path(video_input),)
    )
    read = [*(("the input", path) for path in inputs)]
    for key, path in _paths_with_keys(input_paths):
        read.append((f"{key}={path}" if key else f"a file that is read ({path})", path))
    # The report's name is outtake.removal.report.report_path's.
    report = target.with_name(target.stem + ".report.json")
    for name, path in read:
        if would_overwrite(target, path):
            raise OutputError(f"output {target} is {name}; name another file")
        for place in (segment_folder_of(target), report):
            if would_overwrite(place, path):
                raise OutputError(
                    f"output {target} would write over {place}, where {name} lies; name another "
                    "file"
                )


def _paths_with_keys(input_paths: InputPaths) -> Iterator[tuple[str, Path]]:
    if not isinstance(input_paths, Mapping):
        input_paths = {"": [Path(path) for path in input_paths]}
    for key, paths in input_paths.items():
        each = [paths] if isinstance(paths, str | Path) else paths
        yield from ((key, Path(path)) for path in each)
