"""Remove from interlaced frames field by field."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import FilledFrame, FillStatistics, MaskedFrame
from outtake.core.mask_blocks import take_field_blocks
from outtake.core.types import Frame
from outtake.removal.feather import FeatherRemover
from outtake.removal.outer_remover import OuterRemover
from outtake.removal.protocol import Context, Remover
from outtake.removal.side_by_side import SideBySide
from outtake.video.interlacing import FieldOrder

Sample = TypeVar("Sample", np.uint8, np.uint16)

# The rows of the first and of the second field, from the top row on.
_ROWS: Mapping[FieldOrder, tuple[int, int]] = {"tff": (0, 1), "bff": (1, 0)}


class FieldRemover(OuterRemover):
    """Gives another remover the two fields of each frame, and weaves what it makes of them.

    The fields were taken one after the other: where the camera or a thing moves, the rows of a
    frame show two moments, and a remover that looks at several frames would find none alike. It
    sees twice as many frames of half the height instead. That the rows of one field lie half a row
    lower is to it a motion of the camera.

    Args:
        remover: The other remover, whose frames have the size of those that go in.
        order: Which field comes first.
    """

    def __init__(self, remover: Remover, order: FieldOrder) -> None:
        super().__init__(remover)
        self._rows = _ROWS[order]

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return which frames hold the fields that the other remover looks at."""
        fields = self.remover.context(-(-height // 2), width, high_bit_depth)
        return replace(
            fields,
            before=-(-fields.before // 2),
            after=-(-fields.after // 2),
            keyframe_reach=-(-fields.keyframe_reach // 2),
            keyframe_step=max(1, fields.keyframe_step // 2),
        )

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with both of its fields filled."""
        given: deque[MaskedFrame] = deque()
        first: FilledFrame | None = None
        for filled in self.remover(self._split(clip, given)):
            if first is None:
                first = filled
                continue
            yield self._weave(given.popleft(), first, filled)
            first = None

    def _split(
        self, clip: Iterable[MaskedFrame], given: deque[MaskedFrame]
    ) -> Iterator[MaskedFrame]:
        for item in clip:
            given.append(item)
            for place, row in enumerate(self._rows):
                yield _take_field(item, row, place)

    def _weave(self, item: MaskedFrame, *fields: FilledFrame) -> FilledFrame:
        """Return a frame of its filled fields; both have the rows of the longer one."""
        frame = item.frame
        height = len(frame.image)
        image = self._weave_rows([field.frame.image for field in fields], height)
        deep = [field.frame.image16 for field in fields if field.frame.image16 is not None]
        image16 = self._weave_rows(deep, height) if len(deep) == len(fields) else None
        statistics = [field.statistics for field in fields]
        merged = None
        if statistics[0] is not None and statistics[1] is not None:
            holes = [int(np.count_nonzero(item.mask[row::2])) for row in self._rows]
            merged = _merge_statistics(statistics[0], statistics[1], holes)
            origins = [one.origin for one in (statistics[0], statistics[1])]
            if origins[0] is not None and origins[1] is not None:
                origin = np.zeros(item.mask.shape, np.uint8)
                for row, part in zip(self._rows, origins, strict=True):
                    if part is not None:
                        origin[row::2] = part[: len(origin[row::2])]
                merged = replace(merged, origin=origin)
        return FilledFrame(item, replace(frame, image=image, image16=image16), merged)

    def _weave_rows(self, fields: Sequence[NDArray[Sample]], height: int) -> NDArray[Sample]:
        """Return the picture of so many rows that two fields make."""
        woven = np.empty((height, *fields[0].shape[1:]), fields[0].dtype)
        for row, field in zip(self._rows, fields, strict=True):
            woven[row::2] = field[: len(woven[row::2])]
        return woven


def remove_by_fields(
    remover: Remover, order: FieldOrder | None, height: int, width: int
) -> Remover:
    """Return a remover for frames of two fields; one that looks at single frames stays as it is.

    What is done with a fill that is finished, a soft seam or the frame before beside it, is done
    with whole frames: their height is what widths are fractions of.

    Args:
        remover: The remover.
        order: Which field comes first; None for whole frames.
        height: The height of the frames.
        width: The width of the frames.
    """
    context = remover.context(height, width)
    if order is None or not (context.before or context.after):
        return remover
    return _fill_by_fields(remover, order)


def _fill_by_fields(remover: Remover, order: FieldOrder) -> Remover:
    if isinstance(remover, SideBySide):
        return SideBySide(_fill_by_fields(remover.remover, order), remover.divider_px)
    if isinstance(remover, FeatherRemover):
        inside = _fill_by_fields(remover.remover, order)
        return FeatherRemover(inside, remover.feather, by_fields=True)
    return FieldRemover(remover, order)


def _take_field(item: MaskedFrame, row: int, place: int) -> MaskedFrame:
    """Return one field of a frame: its rows from ``row`` on, the last repeated if one is lacking.

    Args:
        item: The frame.
        row: 0 for the top field, 1 for the bottom one.
        place: 0 for the field that comes first.
    """
    rows = np.arange(-(-len(item.mask) // 2)) * 2 + row
    rows = np.minimum(rows, len(item.mask) - 1)
    frame = item.frame

    def take(picture: Frame) -> Frame:
        return np.ascontiguousarray(picture[rows])

    image16 = None if frame.image16 is None else np.ascontiguousarray(frame.image16[rows])
    field = replace(frame, image=take(frame.image), image16=image16, stored=None)
    number = None if item.number is None else 2 * item.number + place
    mask = np.ascontiguousarray(item.mask[rows])
    in_front = item.foreground
    foreground = None if in_front is None else take_field_blocks(in_front)
    return replace(
        item, frame=field, mask=mask, labelled=None, number=number, foreground=foreground
    )


def _merge_statistics(
    first: FillStatistics, second: FillStatistics, holes: list[int]
) -> FillStatistics:
    """Return the means of the statistics of two fields, weighted by the sizes of their holes."""
    weights = [hole / max(sum(holes), 1) for hole in holes]

    def mean(name: str) -> float | None:
        found = [
            (value, weight)
            for each, weight in zip((first, second), weights, strict=True)
            if (value := getattr(each, name)) is not None
        ]
        total = sum(weight for _, weight in found)
        if not found:
            return None
        if not total:
            return float(found[0][0])
        return float(sum(value * weight for value, weight in found) / total)

    return FillStatistics(
        observed=mean("observed") or 0.0,
        propagated=mean("propagated") or 0.0,
        synthesised=mean("synthesised") or 0.0,
        ring_residual=mean("ring_residual"),
        flicker=mean("flicker"),
        sample_spread=mean("sample_spread"),
        disputed=mean("disputed"),
        rim_step=mean("rim_step"),
        grain=mean("grain"),
        rim_moves_with_hole=mean("rim_moves_with_hole"),
    )
