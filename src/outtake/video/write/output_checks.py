"""Where an output may go: checks before any work, and the names beside it that are its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path

from outtake.core.errors import OutputError
from outtake.core.files import check_folder
from outtake.video.read.inputs import VideoInput
from outtake.video.write.encoding_plan import choose_encoding
from outtake.video.write.png_sequence import check_png_folder
from outtake.video.write.segment_store import SegmentStore

# Files that a job reads: by the config key that names each, or several; or without a key.
InputPaths = Mapping[str, str | Path | Sequence[Path]] | Sequence[str | Path]


def check_target(
    path: str | Path,
    video_input: str | Path | VideoInput,
    *,
    overwrite: bool = False,
    resume: bool = False,
    codec: str = "auto",
    crf: int | None = None,
    preset: str = "veryfast",
    channels: int = 3,
    bit_depth: int = 8,
    input_paths: InputPaths = (),
) -> None:
    """Find out, before any work, what would keep a target from being written.

    Nothing is touched but the segments of a job that was killed when its target was complete.

    Args:
        path: the target.
        video_input: the input; with all its images if it is given as :class:`VideoInput`.
        overwrite: see :func:`outtake.video.write.output.open_output`.
        resume: likewise.
        codec: likewise.
        crf: likewise.
        preset: likewise.
        channels: likewise.
        bit_depth: of the source.
        input_paths: files and folders that the job reads beside the source: ``{"masks": path}``, or
            ``{"masks": [path, path]}``.

    Raises:
        OutputError: it or what lies beside it is a file that is read; it exists already, has a
            suffix, codec, quality, preset or alpha that does not go, or lies where nothing can be
            written.
    """
    target = Path(path)
    check_not_an_input(target, video_input, input_paths)
    folder = SegmentStore(segment_folder_of(target), "")
    folder.delete_finished()
    overwrite = overwrite or (resume and folder.is_finalizing())
    if not target.suffix:
        check_png_folder(target, overwrite=overwrite)
    else:
        choose_encoding(
            target, codec=codec, crf=crf, preset=preset, channels=channels, bit_depth=bit_depth
        )
        if target.is_dir():
            raise OutputError(f"output {target} is a folder; name a file")
        if target.exists() and not overwrite:
            raise OutputError(f"output {target} exists; set overwrite=true to replace it")
    check_folder(target.absolute().parent)


def segment_folder_of(target: Path) -> Path:
    """Return the folder in which a target grows."""
    return target.with_name(target.name + ".part")


def unused_partial_path(target: Path) -> Path:
    """Return a name for the playable part of a target at which there is nothing yet."""
    stem, suffix = target.stem, target.suffix
    endings = chain([""], (f"-{number}" for number in count(2)))
    names = (target.with_name(f"{stem}.partial{ending}{suffix}") for ending in endings)
    return next(name for name in names if not os.path.lexists(name))


def list_input_paths(input_paths: InputPaths) -> tuple[Path, ...]:
    """Return the files and folders that are read."""
    return tuple(Path(path) for _, path in _paths_with_keys(input_paths))


def would_overwrite(output_path: Path, input_path: Path) -> bool:
    """Whether to replace a file or folder would be the end of one that is read."""
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
    """Refuse to write over what is read, whatever ``overwrite`` says.

    Raises:
        OutputError: the target, its report or its segments would lie where a file is read.
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
