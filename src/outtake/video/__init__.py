"""Videos in and out: every frame, its exact time and everything beside the picture is kept."""

from outtake.video.clip import Clip, open_clip
from outtake.video.images import PngWriter
from outtake.video.output import FrameWriter, check_target, open_writer
from outtake.video.probe import VideoInfo, probe
from outtake.video.reader import VideoReader
from outtake.video.writer import VideoWriter

__all__ = [
    "Clip",
    "FrameWriter",
    "PngWriter",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "check_target",
    "open_clip",
    "open_writer",
    "probe",
]
