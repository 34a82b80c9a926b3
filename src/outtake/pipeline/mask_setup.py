"""From the config to the masks and regions of a clip, checked against the clip."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import ConfigError
from outtake.data.infer_classes import UNLABELLED_VALUE
from outtake.labelled_video.project_folder import (
    PROJECT_FILE,
    describe_unlabelled,
    find_set_of_masks,
    keeps_255_unlabelled,
)
from outtake.masking.build_mask_source import FoundMasks, build_mask_source
from outtake.masking.find_mask_files import MaskFiles, find_mask_files
from outtake.masking.mask_numbers import ClipFacts
from outtake.masking.mask_source import (
    AnnotatedMasks,
    MaskSource,
    PictureMasks,
    ShiftedMasks,
    VideoMasks,
)
from outtake.masking.mask_values import MaskValueOptions
from outtake.masking.regions import Region
from outtake.video.read.animated_image import is_animated
from outtake.video.read.clip import open_clip
from outtake.video.read.count_frames import count_frames, decode_times, frame_times
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import VideoInfo

# The error of an estimated number of frames that needs no warning: as a share, and in seconds.
_ESTIMATE_ERROR_SHARE = 0.25
_ESTIMATE_ERROR_S = 1

log = logging.getLogger(__name__)


def find_masks(
    config: InferVideoConfig, source: VideoInput, info: VideoInfo | None = None
) -> FoundMasks:
    """Find the masks of a clip and check that they can be its masks.

    Args:
        config: The config; its ``masks.path`` is set.
        source: The clip.
        info: The description of its selected part; None to open it, unless it is a stream.

    Raises:
        OuttakeError: The masks cannot be read, or cannot be those of the clip.
    """
    options = config.masks
    assert options.path is not None
    if info is None and not source.address:
        with open_clip(source, **vars(config.read)) as clip:
            info = clip.info
    files = find_mask_files(options.path, options.ids)
    if options.offset:
        return _warn_of_labels(_find_shifted_masks(config, source, files, info), files)
    is_still = files.is_still and options.first is None
    part, whole = (None, 0) if info is None or is_still else find_part(config, source)
    found = build_mask_source(
        files,
        _read_value_options(config, files),
        clip=_clip_facts(config, source, info, files, part, whole),
        first=options.first,
        limits=config.read.limits,
    )
    found = _warn_of_labels(found, files)
    if info is not None and isinstance(found.source, VideoMasks):
        if part is not None and len(part) < whole:
            return replace(found, source=_select_part(config, found.source, part, whole))
        doubt = _check_video_length(config, source, info, found.source)
        found = replace(found, warnings=(*found.warnings, *([doubt] if doubt else ())))
    return found


def _read_value_options(config: InferVideoConfig, files: MaskFiles) -> MaskValueOptions:
    """Return what is said about the values of masks: by the user, and by where they lie."""
    options = config.masks
    unlabelled = UNLABELLED_VALUE if _find_labelled_folder(files) else None
    return MaskValueOptions(
        options.channel, options.invert, options.threshold, options.ids, unlabelled
    )


def _find_labelled_folder(files: MaskFiles) -> Path | None:
    """Return the project or training set whose labels masks are, if 255 is unlabelled there."""
    if files.kind != "pictures" or files.objects:
        return None
    folder = files.files[0].absolute().parent
    return find_set_of_masks(folder) if keeps_255_unlabelled(folder) else None


def _warn_of_labels(found: FoundMasks, files: MaskFiles) -> FoundMasks:
    """Add what labels of classes mean as masks: all classes but the first are removed."""
    folder = _find_labelled_folder(files)
    if folder is None or not isinstance(found.source, PictureMasks | ShiftedMasks):
        return found
    other = (
        f"; labels={folder} takes them as labels of its clip, and finds those of other frames"
        if (folder / PROJECT_FILE).is_file()
        else ""
    )
    line = f"{describe_unlabelled(files.name, folder)}{other}"
    return replace(found, warnings=(*found.warnings, line))


def _find_shifted_masks(
    config: InferVideoConfig, source: VideoInput, files: MaskFiles, info: VideoInfo | None
) -> FoundMasks:
    """Find masks that begin before or after the clip; their number need not be that of frames.

    Raises:
        OuttakeError: They cannot be read, or are one mask for every frame.
    """
    options = config.masks
    part = None if info is None else find_part(config, source)[0]
    found = build_mask_source(
        files,
        _read_value_options(config, files),
        clip=ClipFacts(None if info is None else (info.height, info.width)),
        from_first=True,
        limits=config.read.limits,
    )
    if isinstance(found.source, PictureMasks | AnnotatedMasks) and found.source.still:
        raise ConfigError(
            f"masks.offset={options.offset}: {files.name} is one mask, which is that of every "
            "frame; leave masks.offset=0, or, for a mask of one frame alone, set masks.first, the "
            "number that the mask of the first frame would have in its name"
        )
    where = _say_where_masks_begin(found.source, options.offset)
    note = f"masks.offset={options.offset}: {where}; in frames without a mask nothing is removed"
    shifted = ShiftedMasks(found.source, options.offset, part)
    return replace(found, source=shifted, notes=(*found.notes, note))


def _say_where_masks_begin(masks: MaskSource, offset: int) -> str:
    first = min(masks.frames) if isinstance(masks, AnnotatedMasks) else 0
    if first:
        return (
            f"frame 0 of {masks.name} is frame {offset} of the clip, and its first mask, of frame "
            f"{first}, is of frame {offset + first}"
        )
    if offset > 0:
        return f"the first mask is of frame {offset}, counted from 0"
    if masks.one_for_each:
        return f"the first {-offset} masks are of frames before the clip"
    return f"the first mask is of the frame {-offset} before that of the clip"


def _select_part(
    config: InferVideoConfig, masks: VideoMasks, part: range, whole: int
) -> VideoMasks:
    """Return masks of a part of a clip, from a video that has those of the part or of all frames.

    Raises:
        ConfigError: It has another number of frames.
    """
    counted = _count_masks(config, masks)
    if counted is None and not masks.video.address:
        counted = len(_decode_times(config, masks.video))
    if counted is None or counted == len(part):
        return masks
    if counted == whole:
        return replace(masks, part=part)
    raise ConfigError(
        f"{masks.name} has {counted} masks, and the clip {whole} frames, of which {len(part)} are "
        "read; give one for each of either"
    )


def find_part(config: InferVideoConfig, source: VideoInput) -> tuple[range | None, int]:
    """Return which frames of a clip are selected, and how many it has; masks may be of all.

    The range is None where all frames are selected. A file that does not tell the times of its
    frames is decoded once.

    Raises:
        VideoError: The clip cannot be read, or none of its frames is selected.
    """
    read = config.read
    if source.address or (read.start is None and read.end is None and read.every == 1):
        return None, 0
    selection = FrameSelection.from_config(read.start, read.end, read.every)
    times: Sequence[Fraction] | None = None
    if len(source.images) == 1 and is_animated(source.images[0]):
        pass  # one file of many frames, each as long as it says
    elif source.images:
        times = [Fraction(index) / Fraction(read.fps) for index in range(len(source.images))]
    else:
        times = frame_times(source.path, read.limits)
    if times is None:
        times = _decode_times(config, source)
    first = bisect_left(times, selection.start_s or 0)
    stop = len(times) if selection.end_s is None else bisect_left(times, selection.end_s)
    if first >= stop:
        with open_clip(source, fps=read.fps, limits=read.limits) as clip:
            raise selection.empty_error(clip.info, clip.info.duration_s or 0)
    return range(first, stop, read.every), len(times)


def _decode_times(config: InferVideoConfig, source: VideoInput) -> list[Fraction]:
    """Return when each frame of a file is shown, in seconds from the first."""
    log.info(
        "%s does not say when its frames are shown: it is decoded once before the work, to find "
        "those that read.start, read.end and read.every select", source.path.name,
    )  # fmt: skip
    with open_clip(source, limits=config.read.limits, high_bit_depth=False) as clip:
        return list(decode_times(clip))


def _count_masks(config: InferVideoConfig, masks: VideoMasks) -> int | None:
    video = masks.video
    if video.images:
        return len(video.images)
    return None if video.address else count_frames(video.path, config.read.limits)


def log_found(found: FoundMasks) -> None:
    """Say what was decided about masks, and what looks wrong."""
    for line in found.notes:
        log.info("%s", line)
    for line in found.warnings:
        log.warning("%s", line)


def _clip_facts(
    config: InferVideoConfig,
    source: VideoInput,
    info: VideoInfo | None,
    masks: MaskFiles,
    part: range | None,
    whole: int,
) -> ClipFacts:
    if info is None:
        return ClipFacts()
    if part is not None:
        every = tuple(image.name for image in source.images)
        return ClipFacts((info.height, info.width), whole, True, every, part)
    frames, exact = info.frames, info.frames_counted
    of_each = bool(masks.files) and not masks.is_still and len(masks.files) != frames
    if of_each or (masks.kind == "annotations" and not exact):
        counted = _count_selected(config, source, info)
        exact = counted is not None
        frames = counted if exact else frames
    names = tuple(image.name for image in source.images) if exact else ()
    return ClipFacts(
        (info.height, info.width), frames, exact, names if frames == len(names) else ()
    )


def _count_selected(config: InferVideoConfig, source: VideoInput, info: VideoInfo) -> int | None:
    """Count the frames of the selected part; None if that needs decoding."""
    if source.images:
        return info.frames if info.frames_counted else None
    if source.address or config.read.start is not None or config.read.end is not None:
        return None
    counted = count_frames(source.path, config.read.limits)
    return None if counted is None else -(-counted // config.read.every)


def _check_video_length(
    config: InferVideoConfig, source: VideoInput, info: VideoInfo, masks: VideoMasks
) -> str | None:
    """Compare the lengths of a clip and of a video of masks; return what is doubtful about them.

    Raises:
        ConfigError: They differ for certain.
    """
    with open_clip(masks.video, limits=config.read.limits) as clip:
        mask_info = clip.info
    if not info.frames or not mask_info.frames:
        return None
    if info.frames == mask_info.frames and info.frames_counted and mask_info.frames_counted:
        return None
    frames = _count_selected(config, source, info)
    mask_frames = _count_masks(config, masks)
    if frames is not None and mask_frames is not None:
        if frames == mask_frames:
            return None
        raise ConfigError(
            f"{masks.name} has {mask_frames} masks, and {info.path.name} {frames} frames; give one "
            "for each, or select their part with read.start and read.end"
        )
    # An estimate is off where frames last differently, or the sound is longer.
    tolerance = max(_ESTIMATE_ERROR_SHARE * info.frames, _ESTIMATE_ERROR_S * float(info.fps))
    if abs(info.frames - mask_info.frames) <= tolerance:
        return None
    return (
        f"{info.path.name} says that it has about {info.frames} frames, and {masks.name} "
        f"{mask_info.frames} masks; each frame needs one"
    )


def read_regions(config: InferVideoConfig) -> tuple[Region, ...]:
    """Return the regions of the config."""
    return tuple(
        Region.from_config(values, f"regions[{index}]")
        for index, values in enumerate(config.regions)
    )
