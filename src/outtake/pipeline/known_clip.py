"""Which labels of the input are known: a project's, or those that the network was trained on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import ConfigError
from outtake.core.types import LabelMap
from outtake.data.labelled_clip import LabelledClip
from outtake.labelled_video.project_labels import read_project_labels
from outtake.pipeline.mask_setup import find_part
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput

if TYPE_CHECKING:
    from outtake.config.load_ensemble import Trained

log = logging.getLogger(__name__)


def find_known_labels(
    config: InferVideoConfig, source: VideoInput, trained: Trained | None
) -> dict[int, LabelMap]:
    """Return the labels of the input that a person gave, by the number of the frame.

    They are those of ``labels``, or else those that the network was trained on. One line says
    which frames keep their labels, or that the network knows another clip alone.

    Args:
        config: The config, whose ``read`` says which frames of the clip are used.
        source: The input.
        trained: The network; None for none.

    Raises:
        OuttakeError: ``labels`` are not those of the input, or not of the network's classes.
    """
    if trained is None:
        return {}
    clip = trained.clip
    own = clip is not None and not source.address and is_clip(source, clip)
    if clip is not None and not own:
        log.warning(
            "the network was trained on one clip, %s, and %s is another: it may know nothing "
            "of it; label some frames of this one, and train with init_from=RUN",
            clip.name, source.path.name,
        )  # fmt: skip
    found = clip.labels if clip is not None and own else {}
    if config.labels is not None:
        found = _read_labels(Path(config.labels).expanduser(), source, trained)
    if not found:
        return {}
    part, _ = find_part(config, source)
    known = {
        number if part is None else part.index(number): labels
        for number, labels in found.items()
        if part is None or number in part
    }
    if known:
        shown = ", ".join(str(number) for number in sorted(known))
        log.info("frames with labels of their own keep them: %s", shown)
    return known


def _read_labels(project: Path, source: VideoInput, trained: Trained) -> dict[int, LabelMap]:
    if source.address:
        raise ConfigError(f"labels={project}: are of a file, and {source.path} is a stream")
    with open_clip(source, high_bit_depth=False) as clip:
        info = clip.info
    found = read_project_labels(project, source, (info.height, info.width), trained.labels)
    if info.frames is not None and info.frames_counted and max(found, default=0) >= info.frames:
        raise ConfigError(
            f"labels={project}: are of frame {max(found)} too, and {source.path.name} has "
            f"{info.frames} frames, counted from 0"
        )
    if not found:
        log.warning("labels=%s: no frame is labelled there", project)
    return found


def is_clip(source: VideoInput, clip: LabelledClip) -> bool:
    """Return whether an input is the clip that a network was trained on, by its content."""
    with open_clip(source, high_bit_depth=False) as opened:
        return opened.digest() == clip.sha256
