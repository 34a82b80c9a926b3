"""What is asked of a removal, checked against its clip before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from outtake.masking.regions import Region
from outtake.removal.protocol import Remover
from outtake.video.interlacing import FieldOrder
from outtake.video.read.probe import VideoInfo


def check_clip(
    info: VideoInfo,
    remover: Remover,
    regions: Sequence[Region],
    shown_fields: FieldOrder | None = None,
) -> tuple[str, ...]:
    """Find what does not go with a clip; a preview and the whole removal need the same.

    Args:
        info: The clip, at its full size even if a preview is made.
        remover: The remover.
        regions: The boxes that are removed too, in pixels of the clip or in parts of it.
        shown_fields: Which field comes first, by what the pictures show, where no mark says so.

    Returns:
        Lines about what may not be meant.

    Raises:
        ConfigError: A region lies beside the picture, or the remover cannot work with the clip.
    """
    end_s = info.span_s[1]
    length_s = None if end_s is None else float(end_s - info.first_s)
    lines = []
    for index, region in enumerate(regions):
        region.check_size(info.height, info.width, f"regions[{index}]")
        late = region.explain_lateness(length_s, f"regions[{index}]")
        if late:
            lines.append(late)
    order = info.field_order or shown_fields
    return (*lines, *remover.check_clip(replace(info, field_order=order)))
