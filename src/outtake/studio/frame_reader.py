"""Single frames of a clip by their number: nothing is decoded ahead, and few are kept."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

from PIL import Image
from rich.progress import TimeRemainingColumn

from outtake.core.errors import VideoError
from outtake.core.progress import FrameRateColumn, progress_bar
from outtake.core.types import Frame, TimedFrame
from outtake.video.read.animated_image import AnimatedImage
from outtake.video.read.clip import open_clip
from outtake.video.read.count_frames import decode_times, frame_times
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.image_sequence import ImageSequence
from outtake.video.read.inputs import VideoInput
from outtake.video.read.probe import VideoInfo
from outtake.video.read.reader import VideoReader

_KEPT_FRAMES = 64
_KEPT_BYTES = 512 << 20
# Going on to a frame this far ahead is cheaper than seeking.
_STEPS_AHEAD = 24
# Whoever goes one frame back goes further: that many are decoded on the way.
_STEPS_BACK = 8
# Pictures whose headers are compared before anything else, spread over all.
_CHECKED_PICTURES = 500

log = logging.getLogger(__name__)


class FrameReader:
    """Reads frames of a clip in any order, by the code that reads them for removal.

    Args:
        source: The clip.

    Attributes:
        info: What is known of the clip.
        count: The number of its frames.

    Raises:
        VideoError: It cannot be read, or is not of a known length.
    """

    def __init__(self, source: VideoInput) -> None:
        self._source = source
        with open_clip(source, high_bit_depth=False) as clip:
            self.info: VideoInfo = clip.info
            self._video = clip if isinstance(clip, VideoReader | AnimatedImage) else None
            if self.info.live:
                raise VideoError(f"{source.path}: is live; the studio takes files")
            self._times: list[Fraction] = []
            if isinstance(clip, ImageSequence):
                _check_headers(source.images, self.info)
            else:
                assert self._video is not None
                self._times = _find_times(self._video, Path(source.path))
            self.count = len(self._times) or len(source.images)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._frames: Iterator[TimedFrame] = iter(())
        self._close: Callable[[], object] = lambda: None
        self._next = self.count
        self._read_last = -1

    def read_soon(self, number: int) -> None:
        """Begin to read a frame that will be asked for."""

        def read() -> None:
            with contextlib.suppress(VideoError):  # whoever asks for it is told
                self.read(number)

        threading.Thread(target=read, name="studio-first-frame", daemon=True).start()

    @property
    def picture_names(self) -> list[str]:
        """The names of the pictures that are the frames; empty for a video."""
        return [path.name for path in self._source.images] if self._is_sequence() else []

    def time_s(self, number: int) -> Fraction:
        """Return when a frame is shown, in seconds from the first one."""
        return self._times[number] if self._times else number / self.info.fps

    def read(self, number: int) -> Frame:
        """Return a frame, uint8 (H, W, 3) RGB, which is not to be changed.

        Raises:
            VideoError: There is no such frame, or it cannot be read.
        """
        if not 0 <= number < self.count:
            raise VideoError(f"frame {number}: there are 0 to {self.count - 1}")
        with self._lock:
            if number not in self._kept:
                self._fetch(number)
            self._kept.move_to_end(number)
            self._read_last = number
            return self._kept[number]

    def read_on(self, first: int, last: int) -> Iterator[Frame]:
        """Yield the frames from one to another; none is kept, and :meth:`read` is not disturbed.

        Raises:
            VideoError: One cannot be read.
        """
        if self._source.images and self._is_sequence():
            files = self._source.images[first : last + 1]
            sequence = ImageSequence(self._source.path, files=files, high_bit_depth=False)
            yield from (frame.image for frame in sequence)
            return
        with self._open_at(first) as frames:
            for _, frame in zip(range(first, last + 1), frames, strict=False):
                yield frame.image

    @contextlib.contextmanager
    def _open_at(self, number: int) -> Iterator[Iterator[TimedFrame]]:
        """Yield the frames of the video from one on."""
        assert self._video is not None
        found = self._seek_by_time(number) if number else None
        if found is None:
            video = self._video.select(FrameSelection(skip=number))
            found = video, iter(video)
        video, frames = found
        with video:
            yield frames

    def _seek_by_time(
        self, number: int
    ) -> tuple[VideoReader | AnimatedImage, Iterator[TimedFrame]] | None:
        """Return the video at a frame and the frames from there on; None if another one is found.

        Counting from the first frame on then finds it, or says what is wrong.
        """
        assert self._video is not None
        try:
            video = self._video.select(FrameSelection(self._times[number]))
            frames = iter(video)
            first = next(frames, None)
        except VideoError:
            return None
        at_s = None if first is None else first.pts * first.time_base - self.info.first_s
        if first is None or at_s != self._times[number]:
            video.__exit__(None, None, None)
            return None
        return video, chain([first], frames)

    def close(self) -> None:
        """Close the clip; it is opened again if another frame is asked for."""
        with self._lock:
            self._close()
            self._close, self._frames, self._next = (lambda: None), iter(()), self.count

    def _fetch(self, number: int) -> None:
        if self._source.images and self._is_sequence():
            (frame,) = ImageSequence(
                self._source.path, files=[self._source.images[number]], high_bit_depth=False
            )
            if frame.image.shape[:2] != (self.info.height, self.info.width):
                raise _size_error(self._source.images, number, frame.image.shape[1::-1], self.info)
            self._keep(number, frame.image)
            return
        if not self._next <= number <= self._next + _STEPS_AHEAD:
            goes_back = number == self._read_last - 1
            self._seek(max(0, number - min(_STEPS_BACK, self._most // 2)) if goes_back else number)
        while self._next <= number:
            found = next(self._frames, None)
            if found is None:
                raise VideoError(f"{self._source.path}: ends before frame {number}")
            self._keep(self._next, found.image)
            self._next += 1

    @property
    def _most(self) -> int:
        """The number of frames that are kept."""
        return max(2, min(_KEPT_FRAMES, _KEPT_BYTES // (3 * self.info.height * self.info.width)))

    def _is_sequence(self) -> bool:
        return len(self._source.images) == self.count

    def _seek(self, number: int) -> None:
        self._close()
        opened = self._open_at(number)
        self._frames, self._next = opened.__enter__(), number
        self._close = lambda: opened.__exit__(None, None, None)

    def _keep(self, number: int, image: Frame) -> None:
        self._kept[number] = image
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _find_times(clip: VideoReader | AnimatedImage, path: Path) -> list[Fraction]:
    """Return when each frame is shown, in seconds from the first.

    Raises:
        VideoError: The clip cannot be read.
    """
    listed = frame_times(path) if isinstance(clip, VideoReader) else None
    if listed is not None:
        return listed
    log.info(
        "%s does not say when its frames are shown: it is decoded once before it opens", path.name
    )
    columns = FrameRateColumn(), TimeRemainingColumn()
    times = []
    with progress_bar(path.name, clip.info.frames, *columns) as bar:
        for time_s in decode_times(clip):
            times.append(time_s)
            bar.advance(bar.task_ids[0])
    return times


def _check_headers(pictures: Sequence[Path], info: VideoInfo) -> None:
    """Refuse pictures of several sizes, as far as a quick look tells; reading tells the rest."""
    step = -(-len(pictures) // _CHECKED_PICTURES)
    for number in range(0, len(pictures), step):
        try:
            with Image.open(pictures[number]) as picture:
                size = picture.size
        except (OSError, ValueError, SyntaxError):
            continue  # it is named when it is read, and Pillow does not know all kinds
        # What is turned by its EXIF data has its sides the other way round here.
        if sorted(size) != sorted((info.width, info.height)):
            raise _size_error(pictures, number, size, info)


def _size_error(
    pictures: Sequence[Path], number: int, size: Sequence[int], info: VideoInfo
) -> VideoError:
    return VideoError(
        f"{pictures[number]}: is {size[0]}x{size[1]}, and {pictures[0].name} is "
        f"{info.width}x{info.height}; pictures of a clip must agree"
    )
