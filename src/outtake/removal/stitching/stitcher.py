"""Make one picture of the background of each shot of a clip."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.mask_blocks import enlarge_blocks
from outtake.core.types import Mask
from outtake.core.validate import check_number
from outtake.motion.tracking import RETURN_FRAMES, CameraTracker
from outtake.removal.stitching.kept_frames import count_bytes
from outtake.removal.stitching.open_shot import OpenShot, StitchedBackground, StitchedFrame
from outtake.removal.stitching.registration import RegistrationImage

_MIN_FRAMES_HELD = 8

log = logging.getLogger(__name__)


class BackgroundStitcher:
    """Stitches the background of each shot of a clip into one picture.

    Each frame is registered by a homography to an earlier one of its shot, so a camera that pans,
    tilts, zooms or stands still is exact, and one that travels past things at different depths is
    not. A pixel of the picture is the median of the frames that show it, in the light of the frame
    in the middle, or of the nearest to it in whose plane no frame is stretched.

    A shot that is left may go on a few frames later, after a flash: it is finished when the tracker
    cannot return to it any more, or earlier if the memory is needed.

    A shot gets several pictures where one would not do: where the camera turns or zooms so far that
    a plane would stretch a frame, and where the frames that are needed do not fit into the memory.

    Args:
        samples: How many frames at most are looked at for a pixel.
        max_side_px: No side of a picture is longer; a larger one is reduced.
        max_memory_mb: The memory for the frames that are held.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self, samples: int = 15, max_side_px: int = 16384, max_memory_mb: int = 1024
    ) -> None:
        check_number("samples", samples, 1, 99, whole=True)
        check_number("max_side_px", max_side_px, 16, 32766, whole=True)
        check_number("max_memory_mb", max_memory_mb, 1, 1 << 20, whole=True)
        self._samples, self._max_side_px = samples, max_side_px
        self._max_bytes = max_memory_mb << 20
        self._tracker = CameraTracker()
        self._shot: OpenShot | None = None
        # Those that were left and may go on, the one that was left first at the front.
        self._left: dict[int, OpenShot] = {}

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[StitchedBackground]:
        """Yield the picture of each shot, or of each part of one, when it has ended.

        Raises:
            ConfigError: The memory does not hold enough frames of this size.
        """
        for number, item in enumerate(clip):
            yield from self.add(number, item)
        yield from self.finish()

    def add(self, number: int, item: MaskedFrame) -> list[StitchedBackground]:
        """Take the next frame; return the pictures that ended before it.

        Raises:
            ConfigError: The memory does not hold enough frames of this size.
        """
        frame = item.frame
        image = frame.image if frame.image16 is None else frame.image16
        mask = _find_unusable(item)
        time_s = frame.pts * frame.time_base
        if self._shot is not None and mask.all():
            # The next one is compared with those before it.
            self._shot.add_hidden(number, time_s)
            return []
        view = self._tracker.update(frame.image, mask)
        small = RegistrationImage.of(frame.image, mask)
        frame_bytes = count_bytes(image, mask, small)
        if self._shot is None:
            self._check_memory(frame_bytes)
        shot, finished = self._change_shot(view.shot, frame_bytes)
        if not shot.kept.has_room():
            log.info("frame %d: the memory is full, so another picture begins", number)
            finished.append(self._compose(shot))
        placed = StitchedFrame(number, time_s, image, mask, small, view)
        if not shot.add(placed):
            log.info("frame %d: the camera has turned or zoomed far, so another picture begins",
                     number)  # fmt: skip
            finished.append(self._compose(shot))
            shot.add(placed)
        return finished

    def finish(self) -> list[StitchedBackground]:
        """Return the pictures of the shots that have not ended."""
        shots = [*self._left.values(), *(() if self._shot is None else (self._shot,))]
        self._left, self._shot = {}, None
        return [self._compose(shot) for shot in sorted(shots, key=lambda one: one.number)]

    def _change_shot(
        self, number: int, frame_bytes: int
    ) -> tuple[OpenShot, list[StitchedBackground]]:
        """Return the shot that a frame belongs to, with room for it, and what has ended."""
        shot, left = self._shot, self._left
        if shot is None or shot.number != number:
            if shot is not None:
                left[shot.number] = shot
            shot = left.pop(number, None) or OpenShot(number, self._max_bytes)
            # What comes between is held until then; so are the frame before and that in work.
            room = self._max_bytes - (RETURN_FRAMES + 2) * frame_bytes
            for one in left.values():
                one.kept.thin(room - self._count_left_bytes() + one.kept.nbytes)
        else:
            room = self._max_bytes
        self._shot = shot
        open_shots = self._tracker.list_open_shots()
        ended = [left.pop(one) for one in [*left] if one not in open_shots]
        shot.kept.max_bytes = self._max_bytes - self._count_left_bytes()
        while left and (self._count_left_bytes() > room or not shot.kept.has_room()):
            ended.append(left.pop(next(iter(left))))
            shot.kept.max_bytes = self._max_bytes - self._count_left_bytes()
        return shot, [self._compose(one) for one in ended]

    def _count_left_bytes(self) -> int:
        return sum(one.kept.nbytes for one in self._left.values())

    def _compose(self, shot: OpenShot) -> StitchedBackground:
        return shot.finish(self._max_side_px, self._samples)

    def _check_memory(self, frame_bytes: int) -> None:
        needed = _MIN_FRAMES_HELD * frame_bytes
        if needed > self._max_bytes:
            raise ConfigError(
                f"max_memory_mb={self._max_bytes >> 20}: holds fewer than {_MIN_FRAMES_HELD} "
                f"frames of this size; set at least {-(-needed >> 20)}"
            )


def _find_unusable(item: MaskedFrame) -> Mask:
    """Return where a frame shows no background, bool (H, W): mask, foreground, transparency."""
    mask = item.mask
    if item.foreground is not None:
        mask = mask | enlarge_blocks(item.foreground, mask.shape)
    stored = item.frame.stored
    if stored is None or stored.alpha is None:
        return mask
    return np.asarray(mask | (stored.alpha == 0))
