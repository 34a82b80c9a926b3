"""What the values of masks of another program mean, told from all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import LabelValueError, UnreadableImageError
from outtake.core.labels import LabelSpace
from outtake.data.infer_classes import BINARY_VALUES, MaskValues, read_mask_values
from outtake.data.mask_encoding import MaskDecoder, format_value
from outtake.data.soft_edges import ValueCounts, find_soft_edges
from outtake.studio.strokes import UNLABELLED

# As many masks, spread over all, decide what white means, as in data sets.
_PROBE_MASKS = 64


@dataclass(frozen=True)
class MaskReading:
    """How masks are read.

    Attributes:
        decoder: Makes class ids of what a file holds.
        notes: One line for each thing that was decided.
    """

    decoder: MaskDecoder
    notes: tuple[str, ...]


def find_mask_reading(masks: Sequence[Path], classes: Sequence[str], white: int) -> MaskReading:
    """Return what the values of masks mean.

    Only 0 and 255: background, and the class ``white``. Other numbers, indices of a palette among
    them: class ids, 255 being unlabelled. Colours: one class each, in the order of their RGB
    values, as data sets have them. Where edges are soft, the nearer class is taken.

    Args:
        masks: The masks.
        classes: The names of the classes of the project.
        white: The class of 255 where masks hold 0 and 255 alone.
    """
    probed = [_read(path) for path in masks[:: max(1, -(-len(masks) // _PROBE_MASKS))]]
    known = [each for each in probed if each is not None]
    notes: list[str] = []
    soft = False
    ids: Mapping[int, int] = {number: number for number in range(len(classes))}
    ids = {**ids, UNLABELLED: UNLABELLED}
    values, rims = _values([each for each in known if not each.is_coloured])
    if 255 in values and values <= BINARY_VALUES:
        ids = {0: 0, 255: white}
        notes.append(f"white is {classes[white]}, black is {classes[0]}")
    elif values:
        notes.append("values are the numbers of classes, and 255 is unlabelled")
    colours, rims_in_colours = _values([each for each in known if each.is_coloured])
    soft = rims or rims_in_colours
    if len(colours) > len(classes):
        notes.append(
            f"masks in colours hold {len(colours)} of them, and there are {len(classes)} classes; "
            "add classes first"
        )
        colours = set()
    elif colours:
        named = (
            f"{format_value(code, True)} is {name}"
            for code, name in zip(sorted(colours), classes, strict=False)
        )
        notes.append(f"colours in their order: {', '.join(named)}")
    if soft:
        notes.append("edges are soft: each pixel takes the nearer class")
    decoder = MaskDecoder(
        LabelSpace.from_names(tuple(classes)),
        ids,
        {code: number for number, code in enumerate(sorted(colours))},
        "add the class first, or correct the mask",
        "nearest" if soft else "error",
    )
    return MaskReading(decoder, tuple(notes))


def _read(path: Path) -> MaskValues | None:
    """Return the values of a mask; None for what is named when it is decoded."""
    try:
        return read_mask_values(str(path))
    except (LabelValueError, UnreadableImageError):
        return None


def _values(masks: Sequence[MaskValues]) -> tuple[set[int], bool]:
    """Return the values that fill areas, and whether there are rims between them."""
    total = ValueCounts.sum(each.counts for each in masks)
    soft = find_soft_edges(total) if total.pixels else None
    return (set(total.pixels), False) if soft is None else (set(soft.areas), True)
