"""Videos in and out: every frame, its exact time and everything beside the picture is kept."""

from outtake.video.clip import Clip, open_clip
from outtake.video.limits import Limits
from outtake.video.output import (
    FrameWriter,
    Output,
    Salvaged,
    check_target,
    finish_all,
    open_output,
)
from outtake.video.probe import VideoInfo, probe
from outtake.video.reader import VideoReader
from outtake.video.sources import Source, sources_of
from outtake.video.targets import check_apart
from outtake.video.writer import WholeWriter, open_writer

__all__ = [
    "Clip",
    "FrameWriter",
    "Limits",
    "Output",
    "Salvaged",
    "Source",
    "VideoInfo",
    "VideoReader",
    "WholeWriter",
    "check_apart",
    "check_target",
    "finish_all",
    "open_clip",
    "open_output",
    "open_writer",
    "probe",
    "sources_of",
]
