"""Remove objects by showing the background from other frames (a clean plate)."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import announce_compilation
from outtake.core.errors import ConfigError
from outtake.core.frames import (
    OBSERVED,
    PROPAGATED,
    SYNTHESISED,
    UNTOUCHED,
    FilledFrame,
    FillStatistics,
    MaskedFrame,
    fill_hole,
)
from outtake.core.parallel import default_threads
from outtake.core.types import Frame, Mask
from outtake.core.validate import check_flag, check_number
from outtake.removal.clean_plate.carried_layer import MovingLayer, carry_layer
from outtake.removal.clean_plate.carried_synthesis import CarriedSynthesis
from outtake.removal.clean_plate.frame_buffer import (
    BufferedFrame,
    FrameBuffer,
    ReferenceWindow,
    show_foreground,
)
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.memory_budget import MemoryBudget
from outtake.removal.clean_plate.moving_background import MIN_REACH_FRAMES, MovingBackground
from outtake.removal.clean_plate.painted_pictures import PaintedPictures
from outtake.removal.clean_plate.previous_fill import PreviousFill
from outtake.removal.clean_plate.reference_selection import ReferenceFilter
from outtake.removal.clean_plate.region_fill import RegionFill
from outtake.removal.clean_plate.sample_selection import DISPUTED_GREY
from outtake.removal.clean_plate.search import ReferenceSearch
from outtake.removal.clean_plate.small_frames import SmallFrame, enlarge_homography
from outtake.removal.exemplar.remover import Exemplar
from outtake.removal.per_frame import copy_unchanged
from outtake.removal.protocol import Context, Filler, Remover
from outtake.removal.rim_step import measure_rim_step
from outtake.video.read.probe import VideoInfo

_Found = tuple[list[RegionFill], list[MovingLayer]]
# So many frames are searched at once, one on each processor. Each holds on to a frame of the past
# that the buffer has dropped, for which there is this share of the memory.
_LEAST_SEARCHES, _MOST_SEARCHES, _SEARCH_MEMORY = 2, 8, 0.1


class CleanPlate(Remover):
    """Shows the background that other frames of the same shot really observed.

    Every frame within reach is aligned to the current one by a homography of tracked points,
    refined around each region of the hole. The residual on the ring around the hole scores the
    alignment, and the median of the best samples fills each pixel; where they are few or disagree,
    up to 25 that are worse aligned decide which of them count. What no frame within reach shows
    is searched in keyframes from farther back, then propagated from the previous frame, or else
    synthesised by ``filler`` once and carried to the frames after it.

    Args:
        reach_frames: The number of frames to look back and ahead.
        ring: The width of the ring around the hole, as a fraction of the frame's height.
        samples: The largest number of best samples per pixel.
        tolerance: The largest residual of a best sample, as a multiple of the best residual.
        max_error: The residual in grey levels above which a reference is rejected.
        stability: The share of the previous frame where both agree, 0 to 0.9.
        seam: The reach of the seam correction, as a fraction of the frame's height.
        max_drift: The accumulated residual in grey levels up to which pixels are propagated; beyond
            it they are synthesised anew.
        max_memory_mb: The memory for the frames held; less shortens the reach.
        filler: Synthesises what was never observed; with pieces of the surroundings by default.
        moving: Carry what moves by itself behind the hole through it, by its own motion.
        painted: Frames as they should look, which are trusted most where their place is seen: one
            or several files and times, as in ``clean.png@00:03``.

    Raises:
        ConfigError: A value is out of its range, or a painted picture cannot be used.
    """

    shows_background = True
    knows_origins = True

    def __init__(
        self,
        reach_frames: int = 64,
        ring: float = 0.035,
        samples: int = 5,
        tolerance: float = 1.2,
        max_error: float = 12.0,
        stability: float = 0.35,
        seam: float = 0.012,
        max_drift: float = 15.0,
        max_memory_mb: int = 1024,
        filler: Filler | None = None,
        painted: str | Sequence[str] | None = (),
        moving: bool = False,
    ) -> None:
        _check_option("reach_frames", reach_frames, 1, 64, whole=True)
        _check_option("ring", ring, 0.005, 0.5)
        _check_option("samples", samples, 1, 31, whole=True)
        _check_option("tolerance", tolerance, 1, 10)
        _check_option("max_error", max_error, 0, 255)
        _check_option("stability", stability, 0, 0.9)
        _check_option("seam", seam, 0, 0.2)
        _check_option("max_drift", max_drift, 0, 1000)
        _check_option("max_memory_mb", max_memory_mb, 1, 1 << 20, whole=True)
        check_flag("remover.moving", moving)
        self._reach_frames = reach_frames
        if moving and reach_frames < MIN_REACH_FRAMES:
            raise ConfigError(
                f"remover.moving=true needs remover.reach_frames of {MIN_REACH_FRAMES} or more, "
                f"not {reach_frames}: set more, or remover.moving=false"
            )
        self._moving = moving
        self._painted = PaintedPictures(painted)
        self._search = ReferenceSearch(
            ReferenceFilter(samples, tolerance, max_error), ring, seam, self._painted
        )
        self._stability = stability
        self._max_drift = max_drift
        self._max_error = max_error
        self._max_bytes = max_memory_mb << 20
        self._filler = filler or Exemplar()
        self.device, self.notes = self._filler.device, self._filler.notes

    def files(self) -> tuple[Path, ...]:
        """Return the files of the filler, and the painted pictures."""
        return (*self._filler.files(), *self._painted.paths())

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        """Check that the painted pictures are frames of a clip.

        Raises:
            ConfigError: One has another size, or the clip is interlaced.
        """
        return self._painted.check_clip(info)

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return how far the remover looks at frames of this size.

        Raises:
            ConfigError: The memory is not enough for what moves.
        """
        context = MemoryBudget.for_frame_size(
            height, width, self._reach_frames, self._max_bytes, high_bit_depth, self._moving
        ).context()
        if self._moving and min(context.before, context.after) < MIN_REACH_FRAMES:
            raise ConfigError(
                f"remover.moving=true looks at {MIN_REACH_FRAMES} frames before and after, and "
                f"remover.max_memory_mb={self._max_bytes >> 20} holds {context.before} and "
                f"{context.after} of {width} x {height}: set more, or remover.moving=false"
            )
        return context

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled; frames that are context, as they are."""
        previous: PreviousFill | None = None
        carried = CarriedSynthesis(self._max_error)
        with announce_compilation("clean_plate"), closing(self._search_ahead(clip)) as searched:
            painted: set[int] = set()
            for window, fills, layers in searched:
                painted |= self._painted.find_painted(window)
                centre = window.centre
                if window.needs_fill:
                    if previous is not None and previous.frame.view.shot != centre.view.shot:
                        previous = None
                    previous, statistics = self._fill_frame(centre, fills, previous, carried)
                    image, statistics = _carry_layers(window, layers, previous, statistics)
                else:
                    previous = None
                    yield copy_unchanged(centre.source, FillStatistics())
                    continue
                # The consumer may write to its image; the one kept here must not change.
                frame = fill_hole(centre.source.frame, image.copy(), centre.mask)
                yield FilledFrame(centre.source, frame, statistics)
            self._painted.say_what_is_unused(painted)

    def _search_ahead(
        self, clip: Iterable[MaskedFrame]
    ) -> Generator[tuple[ReferenceWindow, list[RegionFill], list[MovingLayer]], None, None]:
        """Search ahead of the current frame in threads, which do not change the result."""
        pending: deque[tuple[ReferenceWindow, Future[_Found]]] = deque()
        pool: ThreadPoolExecutor | None = None
        searches = 0
        moving: MovingBackground | None = None
        buffer = FrameBuffer(self._reach_frames, self._max_bytes, moving=self._moving)
        try:
            for window in buffer(clip):
                if pool is None:
                    searches = self._count_searches(window.centre)
                    pool = ThreadPoolExecutor(searches, "clean_plate")
                if moving is None and self._moving:
                    height, width = window.centre.mask.shape
                    deep = window.centre.source.frame.image16 is not None
                    context = self.context(height, width, deep)
                    moving = MovingBackground(min(context.before, context.after))
                frames = moving.reduce(window) if moving is not None else {}
                pending.append((window, pool.submit(self._search_window, window, moving, frames)))
                if len(pending) > searches:
                    first, found = pending.popleft()
                    yield first, *found.result()
            while pending:
                first, found = pending.popleft()
                yield first, *found.result()
        finally:
            # No search may go on after the consumer is gone.
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _count_searches(self, frame: BufferedFrame) -> int:
        """Return how many frames like this one are searched at once."""
        room = int(_SEARCH_MEMORY * self._max_bytes / (frame.image.nbytes + frame.mask.nbytes))
        return max(_LEAST_SEARCHES, min(_MOST_SEARCHES, default_threads(), room))

    def _search_window(
        self,
        window: ReferenceWindow,
        moving: MovingBackground | None,
        frames: Mapping[int, SmallFrame],
    ) -> _Found:
        if moving is None:
            return self._search(window), []
        things, hidden = moving.find(window, frames)
        neighbours = {
            offset: hidden.get(one.number, one) for offset, one in window.neighbours.items()
        }
        here = things.here if things.parts else None
        rest = replace(window, neighbours=neighbours)
        return self._search(rest, here), things.layers

    def _fill_frame(
        self,
        centre: BufferedFrame,
        fills: list[RegionFill],
        previous: PreviousFill | None,
        carried: CarriedSynthesis,
    ) -> tuple[PreviousFill, FillStatistics]:
        image = centre.image.copy()
        drift = np.zeros(centre.mask.shape, np.float32)
        origin, vague = np.zeros(centre.mask.shape, np.uint8), np.zeros_like(centre.mask)
        if not fills:
            return _keep_fill(centre, image, drift, origin), FillStatistics(origin=origin)
        for fill in fills:
            fill.propagate(previous, self._stability, self._max_drift)
        carried.carry_to(centre, fills)
        for fill in fills:
            fill.write_to(image, drift, origin, vague)
        flicker = [fill.flicker_sum() for fill in fills]
        compared = sum(count for _, count in flicker)
        rim = np.sum([fill.count_rim_motion(centre, previous) for fill in fills], axis=0).tolist()
        spread = np.concatenate([fill.observed_spread() for fill in fills])
        unknown: Mask = centre.mask & (origin == UNTOUCHED)
        if unknown.any():
            image = self._filler.fill(image, unknown, vague)
            origin[unknown] = SYNTHESISED
            carried.keep(centre, image, unknown)
        statistics = FillStatistics(
            **_origin_shares(origin, centre.mask),
            ring_residual=_mean_residual(fills),
            flicker=sum(total for total, _ in flicker) / compared if compared else None,
            sample_spread=float(spread.mean()) if len(spread) else None,
            disputed=float(np.mean(spread > DISPUTED_GREY)) if len(spread) else None,
            rim_moves_with_hole=rim[0] / rim[1] if rim[1] else None,
            rim_step=measure_rim_step(image, centre.mask),
            origin=origin,
        )
        return _keep_fill(centre, image, drift, origin), statistics


def _carry_layers(
    window: ReferenceWindow,
    layers: list[MovingLayer],
    still: PreviousFill,
    statistics: FillStatistics,
) -> tuple[Frame, FillStatistics]:
    """Return the image with the layers before the still background, and its statistics."""
    if not layers:
        return still.image, statistics
    centre = window.centre
    image, carried = still.image.copy(), np.zeros_like(centre.mask)
    copied = {source.number for layer in layers for source in layer.sources}
    sources = [one for one in window.neighbours.values() if one.number in copied]
    shown = [one if one.foreground is None else show_foreground(one) for one in sources]
    full = {one.number: (one.image, one.brightness) for one in shown}
    to_full = enlarge_homography(centre.mask.shape)
    for layer in layers:
        carry_layer(layer, image, centre.mask & ~carried, to_full, full, carried)
    origin = np.where(carried, np.uint8(SYNTHESISED), still.origin)
    return image, replace(
        statistics,
        **_origin_shares(origin, centre.mask),
        rim_step=measure_rim_step(image, centre.mask),
        origin=origin,
    )


def _origin_shares(origin: NDArray[np.uint8], mask: Mask) -> dict[str, float]:
    shares = np.bincount(origin[mask], minlength=4) / np.count_nonzero(mask)
    return {
        "observed": float(shares[OBSERVED]),
        "propagated": float(shares[PROPAGATED]),
        "synthesised": float(shares[SYNTHESISED]),
    }


def _keep_fill(
    centre: BufferedFrame, image: Frame, drift: Floats, origin: NDArray[np.uint8]
) -> PreviousFill:
    kept = np.ascontiguousarray(image).view()
    kept.flags.writeable = False
    return PreviousFill(centre, kept, drift, origin)


def _mean_residual(fills: list[RegionFill]) -> float | None:
    """Return the mean of the finite ring residuals, weighted by the size of the regions."""
    residuals = [(fill.residual, np.count_nonzero(fill.hole)) for fill in fills]
    usable = [(value, size) for value, size in residuals if np.isfinite(value)]
    if not usable:
        return None
    return float(sum(value * size for value, size in usable) / sum(size for _, size in usable))


def _check_option(name: str, value: float, low: float, high: float, *, whole: bool = False) -> None:
    check_number(f"remover.{name}", value, low, high, whole=whole)
