"""Check what a user says of a data set of one clip, before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number, check_whole_numbers, is_number

_KEY = "data.source"


def check_clip_options(
    paths: Mapping[str, object],
    classes: object,
    first: object,
    val_fraction: object,
    val_frames: Sequence[int] | None,
    every: object,
    limit_mib: object,
) -> None:
    """Check the arguments of :class:`outtake.labelled_video.video_with_masks.VideoWithMasks`.

    Args:
        paths: Those that are paths, or null, by their names.
        classes: See there.
        first: See there.
        val_fraction: See there.
        val_frames: See there.
        every: See there.
        limit_mib: See there.

    Raises:
        ConfigError: One is of another kind, or out of its range.
    """
    for name, path in paths.items():
        if path is not None and not isinstance(path, str | PathLike):
            raise ConfigError(f"{_KEY}.{name}={path}: must be a path, or null")
    if classes is not None and not isinstance(classes, str | list | tuple):
        raise ConfigError(
            f"{_KEY}.classes={classes}: give a list of names, as [background,car], the path of a "
            "yaml, or null"
        )
    check_number(f"{_KEY}.first", first, 0, whole=True, optional=True)
    if val_fraction is not None and not (is_number(val_fraction) and 0 < val_fraction < 1):
        raise ConfigError(
            f"{_KEY}.val_fraction is {val_fraction}: give more than 0 and less than 1, or null to "
            "train on all labelled frames"
        )
    if val_frames is not None:
        check_whole_numbers(f"{_KEY}.val_frames", val_frames, "[17,51]", least=0)
    check_number(f"{_KEY}.every", every, 1, whole=True)
    check_number(f"{_KEY}.limit_mib", limit_mib, 1, whole=True)
