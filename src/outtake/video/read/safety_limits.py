"""Bounds on what a clip may ask for, and the file formats that are opened."""

from __future__ import annotations

from dataclasses import dataclass

from outtake.core.errors import ConfigError, VideoError

# A playlist or a list of files to join makes FFmpeg open what it names: other files, or the
# network. So a file may only be of a format that holds its pictures itself; sound alone is among
# them for the sake of a clear message.
FILE_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,flv,gif,apng,asf,ogg,mxf,nut,ivf,h264,hevc,obu,m4v,mpegvideo,"
    "mjpeg,dv,rm,yuv4mpegpipe,mp3,wav,flac,aac"
)


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """Bounds on what is read; a few bytes of header can ask for any amount of memory or time.

    Attributes:
        max_pixels: The largest width times height of a frame.
        max_frames: The largest number of frames of the selected part; None for any number.
        max_duration_s: The longest duration of that part; None for any. Neither this nor
            ``max_frames`` bounds a live stream.
        timeout_s: The longest silence of a stream or camera, when it is opened and afterwards.

    Raises:
        ConfigError: A bound is not above 0.
    """

    max_pixels: int = 8192 * 8192
    max_frames: int | None = 20_000_000
    max_duration_s: float | None = 7 * 24 * 3600
    timeout_s: float = 15

    def __post_init__(self) -> None:
        for key in ("max_pixels", "max_frames", "max_duration_s", "timeout_s"):
            bound = getattr(self, key)
            optional = key in ("max_frames", "max_duration_s")
            if bound is None and optional:
                continue
            if isinstance(bound, bool) or not isinstance(bound, int | float) or not bound > 0:
                raise ConfigError(
                    f"read.limits.{key}={bound}: must be above 0{' or null' if optional else ''}"
                )

    def check_size(self, name: object, width: int, height: int) -> None:
        """Refuse frames that are too large, before memory is taken for one.

        Raises:
            VideoError: More pixels than allowed.
        """
        if width * height > self.max_pixels:
            raise VideoError(
                f"{name} has frames of {width}x{height}, {width * height} pixels, and "
                f"read.limits.max_pixels={self.max_pixels}; raise that if the file can be trusted"
            )

    def check_length(self, name: object, frames: int | None, duration_s: float | None) -> None:
        """Refuse a clip that is too long.

        Raises:
            VideoError: More frames or seconds than allowed.
        """
        if frames is not None and self.max_frames is not None and frames > self.max_frames:
            raise VideoError(
                f"{name} has {frames} frames, and read.limits.max_frames={self.max_frames}; raise "
                "that, or select a part with start and end"
            )
        longest_s = self.max_duration_s
        if duration_s is not None and longest_s is not None and duration_s > longest_s:
            raise VideoError(
                f"{name} lasts {duration_s:.0f} s, and read.limits.max_duration_s={longest_s:g}; "
                "raise "
                "that, or select a part with start and end"
            )
