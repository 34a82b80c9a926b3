"""Crop pictures to the part that their container shows, which FFmpeg's decoders do not do.

Matroska and WebM state it as PixelCropTop and so on (RFC 9559), MP4 and MOV as a clean aperture
(`clap`, ISO/IEC 14496-12). What the codec itself crops, the decoder has cropped already.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import av
from av.filter import Graph
from av.video.stream import VideoStream

from outtake.video.filter_graph import open_filter_graph
from outtake.video.matroska_elements import (
    HEAD_BYTES,
    TRACK,
    TRACKS,
    find_head_parts,
    parse_elements,
)
from outtake.video.read.mp4_boxes import find_boxes, list_boxes, read_box

log = logging.getLogger(__name__)

_TRACK_TYPE, _VIDEO_TRACK, _VIDEO = 0x83, 1, 0xE0
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xB0, 0xBA
_CROP_LEFT, _CROP_RIGHT, _CROP_TOP, _CROP_BOTTOM = 0x54CC, 0x54DD, 0x54BB, 0x54AA
_TKHD_ID_BYTE = {0: 12, 1: 20}  # by the version of the box
_SAMPLE_ENTRY_BYTES = 78  # of a picture, before the boxes in it


@dataclass(frozen=True, slots=True)
class ShownPart:
    """The part of the stored pictures that is shown.

    Attributes:
        stored: Width and height of a stored picture in pixels, as the container states them.
        left: The columns left of the part.
        top: The rows above it.
        width: Its width.
        height: Its height.
    """

    stored: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the part."""
        return self.width, self.height

    def is_real(self) -> bool:
        """Return whether it lies in the picture and is not all of it."""
        right, bottom = self.stored[0] - self.left, self.stored[1] - self.top
        inside = 0 < self.width <= right and 0 < self.height <= bottom
        return inside and self.left >= 0 <= self.top and self.size != self.stored


def find_shown_part(stream: VideoStream) -> ShownPart | None:
    """Return the part of its pictures that the container of a track shows; None for all of them.

    Of a stream from an address, whose container cannot be read again, it is not known.
    """
    name = stream.container.name
    path = Path(name.removeprefix("file:"))
    if not name.startswith("file:") or not path.is_file():
        return None
    state = path.stat()
    form = stream.container.format.name
    if "matroska" in form:
        tracks = [each.index for each in stream.container.streams.video]
        number = tracks.index(stream.index)
    elif "mov" in form:
        number = stream.id
    else:
        return None
    return _read_part(path, form, number, (state.st_size, state.st_mtime_ns))


class PictureCropper:
    """Crops decoded frames to the part of them that is shown.

    The part begins at a whole sample of chroma, of interlaced frames at one of the first field: up
    to three pixels before the place that is stated.

    Args:
        part: The part.
    """

    def __init__(self, part: ShownPart) -> None:
        self._part = part
        self._graph: Graph | None = None
        self._made_for: tuple[str, int, int] | None = None
        self._warned = False

    def crop(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the part of a frame, with all that goes with it; one of another size as it is."""
        size = (frame.width, frame.height)
        if size != self._part.stored:
            if size != self._part.size and not self._warned:
                self._warned = True
                log.warning(
                    "the container shows %dx%d of pictures of %dx%d; those that it has are of "
                    "%dx%d, and all of them is taken",
                    *self._part.size, *self._part.stored, *size,
                )  # fmt: skip
            return frame
        left, top = _find_corner(frame, self._part)
        if self._graph is None or self._made_for != (frame.format.name, left, top):
            self._made_for = frame.format.name, left, top
            # The copy lets the planes end where the picture does: a crop only moves their
            # beginning, and who reads whole lines would read past the end of the last.
            part = f"{self._part.width}:{self._part.height}:{left}:{top}:exact=1"
            self._graph = open_filter_graph(frame, ("crop", part), ("copy", None))
        self._graph.vpush(frame)
        made = self._graph.vpull()
        made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
        return made


def _find_corner(frame: av.VideoFrame, part: ShownPart) -> tuple[int, int]:
    """Return the column and row at which the part begins, at a whole sample of chroma."""
    planes = frame.format.components
    across = max(-(-frame.width // each.width) for each in planes)
    down = max(-(-frame.height // each.height) for each in planes)
    if frame.interlaced_frame:
        down *= 2
    return part.left - part.left % across, part.top - part.top % down


@lru_cache(maxsize=64)
def _read_part(path: Path, form: str, number: int, _: tuple[int, int]) -> ShownPart | None:
    """Read the part from a file in a state: of the n-th video track, or of that with the id."""
    with path.open("rb") as file:
        try:
            if "matroska" in form:
                part = _read_matroska_part(file.read(HEAD_BYTES), number)
            else:
                part = _read_clean_aperture(file, path.stat().st_size, number)
        except (IndexError, ZeroDivisionError):  # what is cut off or makes no sense
            return None
    return part if part is not None and part.is_real() else None


def _read_matroska_part(head: bytes, number: int) -> ShownPart | None:
    tracks = find_head_parts(head).get(TRACKS)
    if tracks is None:
        return None
    videos = []
    for entry in parse_elements(head, tracks.data, min(tracks.end, len(head))):
        parts = {each.id: each for each in parse_elements(head, entry.data, entry.end)}
        kind = parts.get(_TRACK_TYPE)
        if entry.id == TRACK and kind and head[kind.data : kind.end] == bytes([_VIDEO_TRACK]):
            videos.append(parts.get(_VIDEO))
    video = videos[number]
    if video is None:
        return None
    values = {
        part.id: int.from_bytes(head[part.data : part.end], "big")
        for part in parse_elements(head, video.data, video.end)
    }
    stored = values.get(_PIXEL_WIDTH, 0), values.get(_PIXEL_HEIGHT, 0)
    left, top = values.get(_CROP_LEFT, 0), values.get(_CROP_TOP, 0)
    width = stored[0] - left - values.get(_CROP_RIGHT, 0)
    return ShownPart(stored, left, top, width, stored[1] - top - values.get(_CROP_BOTTOM, 0))


def _read_clean_aperture(file: BinaryIO, size: int, track_id: int) -> ShownPart | None:
    for kind, start, end in list_boxes(file, 0, size):
        if kind == b"moov":
            for inner, begin, stop in list_boxes(file, start, end):
                if inner == b"trak" and _read_track_id(file, begin, stop) == track_id:
                    return _read_aperture_of_track(file, begin, stop)
    return None


def _read_track_id(file: BinaryIO, start: int, end: int) -> int | None:
    for _, data, stop in find_boxes(file, start, end, b"tkhd"):
        head = read_box(file, data, stop)
        place = _TKHD_ID_BYTE.get(head[0], 12)
        return int.from_bytes(head[place : place + 4], "big")
    return None


def _read_aperture_of_track(file: BinaryIO, start: int, end: int) -> ShownPart | None:
    for _, data, stop in find_boxes(file, start, end, b"mdia", b"minf", b"stbl", b"stsd"):
        for _, entry, entry_end in list_boxes(file, data + 8, stop):
            head = read_box(file, entry, entry_end)
            stored = int.from_bytes(head[24:26], "big"), int.from_bytes(head[26:28], "big")
            inside = entry + _SAMPLE_ENTRY_BYTES
            for _, clap, clap_end in find_boxes(file, inside, entry_end, b"clap"):
                return _decode_aperture(read_box(file, clap, clap_end), stored)
            return None
    return None


def _decode_aperture(clap: bytes, stored: tuple[int, int]) -> ShownPart:
    """Return the part that a `clap` box states by its size and the offset of its centre."""
    numbers = [int.from_bytes(clap[4 * n : 4 * n + 4], "big", signed=n in (4, 6)) for n in range(8)]
    width, height, right, down = (
        Fraction(above, below) for above, below in zip(numbers[::2], numbers[1::2], strict=True)
    )
    left = (stored[0] - width) / 2 + right
    top = (stored[1] - height) / 2 + down
    return ShownPart(stored, round(left), round(top), round(width), round(height))
