"""Make a target ready to grow in segments, after everything that cannot work was found."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import VideoInfo
from outtake.video.write.audio_encoder import AudioChoice
from outtake.video.write.concat import SegmentMuxer
from outtake.video.write.copy_plan import plan_copying
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.image_folder import choose_image_codec
from outtake.video.write.losses import warn_of_losses
from outtake.video.write.output import Output
from outtake.video.write.output_checks import (
    InputPaths,
    check_target,
    list_input_paths,
    segment_folder_of,
)
from outtake.video.write.segment_store import SegmentStore
from outtake.video.write.track_plan import plan_tracks

log = logging.getLogger(__name__)


def open_output(
    path: str | Path,
    info: VideoInfo,
    encoding: EncodingRequest | None = None,
    *,
    audio: AudioChoice = "auto",
    overwrite: bool = False,
    resume: bool = False,
    fingerprint: Mapping[str, Any] | None = None,
    input_paths: InputPaths = (),
) -> Output:
    """Make a target ready to grow in segments: a video by its suffix, without one a PNG folder.

    Everything that cannot work is found here, before any work. Call it once for a job; other
    processes get the Output.

    Args:
        path: The target.
        info: The source: time base, rate, bit depth, colours and the file whose audio is copied.
        encoding: How the frames are to be stored; the default for None. Its bit depth is that of
            the source.
        audio: What becomes of the sound: see :func:`plan_tracks`.
        overwrite: Whether an earlier output is replaced.
        resume: Whether the segments of an interrupted job with the same fingerprint are used.
        fingerprint: Everything that decides about the frames: config, input, checkpoint.
        input_paths: What the job reads beside the source, as in :func:`check_target`.

    Raises:
        OutputError: See :func:`check_target`; or another process writes to the target, the encoder
            does not open, or the container does not take the sound.
    """
    target = Path(path)
    request = (encoding or EncodingRequest()).for_source(info)
    source = VideoInput(info.path, info.images) if info.images else info.path
    chosen = check_target(
        target, source, request, overwrite=overwrite, resume=resume, input_paths=input_paths
    )
    job: dict[str, Any] = {"fingerprint": dict(fingerprint or {}), "channels": request.channels}
    muxer = None
    image_codec = "" if chosen else choose_image_codec(target, request.codec, info.images)
    warn_of_losses(chosen or image_codec, info)
    if chosen:
        plans = plan_tracks(info, chosen.container, target.suffix.lower(), audio)
        copy_plan = plan_copying(request, chosen, info)
        adapted = copy_plan.adapt_encoding(chosen) if copy_plan else chosen
        muxer = SegmentMuxer(target, info, adapted, plans, copy_plan)
        muxer.rehearse()
    elif info.has_audio and audio != "none":
        log.warning(
            "%s: its sound is not kept in images; an output such as NAME.mkv keeps it, and "
            "encode.audio=none says that it is not needed", info.path.name,
        )  # fmt: skip
    job["encoding"] = chosen.fingerprint() if chosen else image_codec
    store = SegmentStore(segment_folder_of(target), ".mkv" if target.suffix else "")
    keep = target.exists() and not overwrite
    return Output(
        target,
        info,
        channels=request.channels,
        muxer=muxer,
        store=store,
        records=store.open(job, resume=resume, keep_target=keep),
        input_paths=list_input_paths(input_paths),
        image_codec=image_codec,
    )
