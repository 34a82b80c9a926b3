"""What differs from a clip's own plate, at some of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from outtake.core.progress import progress_bar
from outtake.core.types import Frame, TimedFrame
from outtake.motion.plate_residual import PlateResidual
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput

Numbered = tuple[int, Frame]


def read_plate_residuals(
    video: VideoInput, numbers: Iterable[int], offsets: tuple[int, ...]
) -> dict[int, Frame]:
    """Return the residual of some frames of a clip, uint8 (H, W, 3), by their numbers from 0.

    Frames that are far from all of these are decoded and not looked at.

    Args:
        video: The clip.
        numbers: The frames.
        offsets: As :class:`outtake.motion.plate_residual.PlateResidual` takes them.
    """
    stage, wanted = PlateResidual(offsets), set(numbers)
    found: dict[int, Frame] = {}
    with (
        open_clip(video, high_bit_depth=False) as clip,
        progress_bar(f"Plate of {video.path.name}", clip.info.frames) as bar,
    ):

        def count_frames() -> Iterator[TimedFrame]:
            for frame in clip:
                yield frame
                bar.advance(bar.task_ids[0])

        for number, around in _surroundings(count_frames(), sorted(wanted), stage.context_frames):
            residuals = stage(around, lambda each: each[1], _is_place(number - around[0][0]))
            found |= {place: each for (place, _), each in residuals if each is not None}
    return found


def _is_place(wanted: int) -> Callable[[int], bool]:
    return lambda place: place == wanted


def _surroundings(
    frames: Iterable[TimedFrame], wanted: Sequence[int], reach: int
) -> Iterator[tuple[int, list[Numbered]]]:
    """Yield each wanted number with the frames that are at most ``reach`` away from it."""
    kept: list[Numbered] = []
    rest = list(wanted)
    for number, frame in enumerate(frames):
        if not rest:
            return
        kept = [each for each in kept if each[0] >= rest[0] - reach]
        if number >= rest[0] - reach:
            kept.append((number, frame.image.copy()))
        while rest and number == rest[0] + reach:
            yield rest.pop(0), kept
    for number in rest:
        yield number, [each for each in kept if each[0] >= number - reach]
