"""The clip that a network was trained on, if it was one: is it the input, and which labels stay?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.types import LabelMap
from outtake.data.labelled_clip import LabelledClip
from outtake.pipeline.mask_setup import find_part
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput

if TYPE_CHECKING:
    from outtake.config.load_ensemble import Trained

log = logging.getLogger(__name__)


def find_known_labels(
    config: InferVideoConfig, source: VideoInput, trained: Trained | None
) -> dict[int, LabelMap]:
    """Return the labels of the input that the network was trained on, by the number of the frame.

    One line says which frames keep their labels, or that the network knows another clip alone.

    Args:
        config: The config, whose ``read`` says which frames of the clip are used.
        source: The input.
        trained: The network; None for none.
    """
    clip = None if trained is None else trained.clip
    if clip is None:
        return {}
    if source.address or not is_clip(source, clip):
        log.warning(
            "the network was trained on one clip, %s, and %s is another: it may know nothing "
            "of it; label some frames of this one, and train with init_from=RUN",
            clip.name, source.path.name,
        )  # fmt: skip
        return {}
    part, _ = find_part(config, source)
    known = {
        number if part is None else part.index(number): labels
        for number, labels in clip.labels.items()
        if part is None or number in part
    }
    if known:
        shown = ", ".join(str(number) for number in sorted(known))
        log.info("frames with labels of their own keep them: %s", shown)
    return known


def is_clip(source: VideoInput, clip: LabelledClip) -> bool:
    """Return whether an input is the clip that a network was trained on, by its content."""
    with open_clip(source, high_bit_depth=False) as opened:
        return opened.digest() == clip.sha256
