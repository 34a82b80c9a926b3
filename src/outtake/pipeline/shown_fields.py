"""Clips that are interlaced by what their pictures show, and not marked so."""

from __future__ import annotations

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import VideoError
from outtake.pipeline.job import Job
from outtake.removal.protocol import Remover
from outtake.video.interlacing import FIELD_NAMES, FieldOrder
from outtake.video.read.clip import open_clip
from outtake.video.read.detect_fields import MAX_HEIGHT, detect_fields
from outtake.video.read.inputs import VideoInput


def find_shown_fields(
    config: InferVideoConfig, remover: Remover, source: VideoInput
) -> FieldOrder | None:
    """Return which field of a clip comes first that is not marked as interlaced and looks so.

    It is looked for only where it matters: where whole pictures are to be made of interlaced ones,
    and for a remover that looks at several frames.
    """
    read = config.read
    if source.address or read.fields != "auto":
        return None
    try:
        with open_clip(
            source,
            fps=read.fps,
            start=read.start,
            end=read.end,
            limits=read.limits,
            high_bit_depth=False,
        ) as clip:
            info = clip.info
            context = remover.context(info.height, info.width)
            matters = context.before or context.after or read.deinterlace is not None
            if info.live or info.field_order or info.height > MAX_HEIGHT or not matters:
                return None
            return detect_fields(clip)
    except VideoError:
        return None  # it is said when the clip is read


def explain_shown_fields(config: InferVideoConfig, job: Job) -> str | None:
    """Return the line about a clip that looks interlaced and is not marked so; None if it is not.

    Args:
        config: The config.
        job: The job that was made of it.
    """
    assert isinstance(job.source, VideoInput)
    order: FieldOrder | None = job.shown_fields
    if config.read.fields == "auto" and job.read_options["fields"] in ("tff", "bff"):
        order = job.read_options["fields"]
    if order is None:
        return None
    looks = f"{job.source.path} looks interlaced, its {FIELD_NAMES[order]} field first"
    if job.shown_fields is None:
        return (
            f"{looks}, and is not marked so: whole pictures are made of it; if that is wrong, set "
            "read.fields=none and leave out read.deinterlace=bwdif"
        )
    by_fields = (
        f"{looks}, and is not marked so: each field is filled by itself, and the output is not "
        "marked either"
    )
    if job.source.images:
        return f"{by_fields}; read.fields=none takes the images as whole"
    return (
        f"{by_fields}; read.fields={order} marks it, read.deinterlace=bwdif makes whole pictures, "
        "and read.fields=none takes them as whole"
    )
