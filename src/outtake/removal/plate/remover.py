"""Remove by showing what other frames saw there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from outtake.errors import ConfigError
from outtake.removal.inpaint import Inpaint
from outtake.removal.plate.alignment import fits
from outtake.removal.plate.camera import Camera
from outtake.removal.plate.carry import Shown
from outtake.removal.plate.collect import Choice, complementary
from outtake.removal.plate.patch import Patch
from outtake.removal.plate.references import Alignments, Reference, by_way_of
from outtake.removal.plate.sites import Floats, Site, sites
from outtake.removal.plate.window import Held, windows
from outtake.removal.stages import Context, FrameFacts, MaskedFrame, with_image
from outtake.types import Frame, Mask, TimedFrame

# Near frames are alike, so a few of them will do; far ones show what near ones hide.
_DISTANCES = (1, 2, 3, 5, 7, 10, 14, 19, 25, 32, 40, 48, 56, 64)
_COMPLEMENTARY = 8


class Filler(Protocol):
    """Invents what no frame shows, such as :class:`outtake.removal.Inpaint`."""

    def fill(self, image: Frame, mask: Mask) -> Frame:
        """Return a copy of an RGB image with its masked pixels made up."""
        ...


class Plate:
    """Shows the background that other frames of the same shot really saw.

    Every frame within reach is aligned to the current one by a homography of tracked points,
    refined around each part of the hole; the ring around the hole judges how well it fits, and
    the best samples' median fills each pixel. What no frame shows is moved along from the frame
    before, or else made up by ``filler``.

    Args:
        reach_frames: how far is looked, back and ahead.
        ring: width of the ring around the hole, as a fraction of the frame's height.
        samples: how many samples are taken for a pixel, at most.
        tolerance: how many times the residual of the best reference is still good enough.
        max_error: residual in grey levels above which a reference is rejected.
        stability: share of the frame before where both agree, 0 to 1.
        seam: how far the fill is bent towards its surroundings, as a fraction of the height.
        max_drift: in grey levels, how far off the ring may be over all the frames through which
            something is moved along, before it is made up anew.
        max_memory_mb: of pictures held; less shortens the reach.
        filler: makes up what was never seen; Telea's inpainting by default.

    Attributes:
        facts: where the fill came from, for each frame given out since the last call.

    Raises:
        ConfigError: a value out of its range.
    """

    needs_mask = True
    keeps_outside = True
    channels = 3

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
    ) -> None:
        _check("reach_frames", reach_frames, 1, 64)
        _check("ring", ring, 0.005, 0.5)
        _check("samples", samples, 1, 31)
        _check("tolerance", tolerance, 1, 10)
        _check("max_error", max_error, 0, 255)
        _check("stability", stability, 0, 0.9)
        _check("seam", seam, 0, 0.2)
        _check("max_drift", max_drift, 0, 1000)
        _check("max_memory_mb", max_memory_mb, 1, 1 << 20)
        self._reach_frames = reach_frames
        self._ring = ring
        self._choice = Choice(samples, tolerance, max_error)
        self._stability = stability
        self._seam = seam
        self._max_drift = max_drift
        self._max_bytes = max_memory_mb << 20
        self._filler = filler or Inpaint("telea")
        self.facts: list[FrameFacts] = []

    def context(self, height: int, width: int) -> Context:
        """Return how far it looks at frames of this size."""
        bytes_each = 5 * height * width
        reach = min(self._reach_frames, (self._max_bytes // bytes_each - 1) // 2)
        return Context(before=max(1, reach), after=max(1, reach))

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
        """Yield each frame with its hole filled."""
        facts = self.facts = []
        alignments = Alignments()
        shown: Shown | None = None
        for centre, neighbours in windows(clip, Camera(), self._reach_frames, self._max_bytes):
            if shown is not None and shown.held.view.shot != centre.view.shot:
                shown = None
            image, drift, facts_here = self._filled(centre, neighbours, shown, alignments)
            facts.append(facts_here)
            shown = Shown(centre, image, drift)
            # The consumer may write to its picture; the one kept here must stay.
            yield with_image(centre.frame, image.copy())

    def _filled(
        self,
        centre: Held,
        neighbours: dict[int, Held],
        shown: Shown | None,
        alignments: Alignments,
    ) -> tuple[Frame, Floats, FrameFacts]:
        image = centre.image.copy()
        parts = sites(centre, max(2, round(self._ring * image.shape[0])))
        drift = np.zeros(centre.mask.shape, np.float32)
        if not parts:
            return image, drift, FrameFacts()
        patches = self._seen(centre, neighbours, parts, alignments)
        alignments.forget(centre.number)
        hole = int(np.count_nonzero(centre.mask))
        left, carried = np.zeros(centre.mask.shape, bool), 0
        for patch in patches:
            patch.mend(self._seam * image.shape[0])
            carried += patch.carry(shown, self._stability, self._max_drift)
            columns, rows = patch.site.hole.astype(np.intp).T
            image[rows, columns] = np.clip(np.rint(patch.colours), 0, 255)
            drift[rows, columns] = patch.drift
            left[rows, columns] = ~patch.filled
        invented = int(np.count_nonzero(left))
        if invented:
            image = self._filler.fill(image, left)
        return (
            image,
            drift,
            FrameFacts(
                seen=(hole - carried - invented) / hole,
                carried=carried / hole,
                invented=invented / hole,
                ring_residual=_residual(patches),
            ),
        )

    def _seen(
        self,
        centre: Held,
        neighbours: dict[int, Held],
        parts: list[Site],
        alignments: Alignments,
    ) -> list[Patch]:
        near = {
            offset: neighbours[offset]
            for distance in _DISTANCES
            for offset in (-distance, distance)
            if offset in neighbours
        }
        if not near:
            return [Patch(site) for site in parts]
        references = [alignments.between(centre, held) for held in near.values()]
        patches = [Patch(site) for site in parts]
        self._look(patches, references)
        incomplete = [patch for patch in patches if not patch.filled.all()]
        others = [held for offset, held in neighbours.items() if offset not in near]
        if incomplete and others:
            unseen = np.concatenate([patch.site.hole[~patch.filled] for patch in incomplete])
            candidates = [by_way_of(references, held) for held in others]
            self._look(incomplete, complementary(candidates, unseen, _COMPLEMENTARY))
        return patches

    def _look(self, patches: Sequence[Patch], references: Sequence[Reference]) -> None:
        if not references:
            return
        judged = fits([patch.site for patch in patches], references)
        for patch, fit in zip(patches, judged, strict=True):
            patch.look(fit, references, self._choice)


def _residual(patches: Sequence[Patch]) -> float | None:
    judged = [(patch.residual, len(patch.site.hole)) for patch in patches]
    usable = [(value, size) for value, size in judged if np.isfinite(value)]
    if not usable:
        return None
    return float(sum(value * size for value, size in usable) / sum(size for _, size in usable))


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"remover.{name}={value}: must be at least {low} and at most {high}")
