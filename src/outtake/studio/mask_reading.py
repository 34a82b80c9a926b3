"""What the values of masks of another program mean, told from all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import LabelValueError, UnreadableImageError
from outtake.core.labels import LabelSpace
from outtake.core.types import LabelMap
from outtake.data.decode_files import decode_file
from outtake.data.image_files import read_stored_mask
from outtake.data.mask_encoding import MaskDecoder, format_value, is_gray
from outtake.data.read_mask_values import (
    BINARY_VALUES,
    MaskValues,
    read_mask_values,
    read_until,
    sum_numbers,
)
from outtake.data.soft_edges import ValueCounts, find_soft_edges
from outtake.studio.label_png import has_alpha
from outtake.studio.strokes import UNLABELLED

# As many masks, spread over all, decide what white means, as in data sets.
_PROBE_MASKS = 64


@dataclass(frozen=True)
class MaskReading:
    """How masks are read.

    Attributes:
        decoder: Makes class ids of what a file holds.
        notes: One line for each thing that was decided.
        matte: The class of what is opaque in files with alpha; None where alpha says nothing.
    """

    decoder: MaskDecoder
    notes: tuple[str, ...]
    matte: int | None = None

    def decode(self, path: Path, name: str) -> LabelMap:
        """Return the labels in a file, uint8 (H, W).

        Args:
            path: The file.
            name: What it is called in an error.

        Raises:
            OuttakeError: It cannot be read, or holds what is no class.
        """
        if self.matte is not None and has_alpha(path):
            alpha = decode_file(path, palette_indices=True)[..., -1]
            return np.asarray(np.where(alpha > _white(alpha) // 2, self.matte, 0), np.uint8)
        stored = read_stored_mask(path)
        if not self.decoder.colours and stored.values.ndim == 3 and not is_gray(stored.values):
            classes = len(self.decoder.labels.names)
            raise LabelValueError(
                f"is in colours, and there are more of them than the {classes} classes; add "
                "classes first, or save the number of the class of each pixel, and "
                f"{UNLABELLED} where it is unlabelled"
            )
        return self.decoder.decode(stored, name)


def find_mask_reading(
    masks: Sequence[Path], classes: Sequence[str], white: int, *, are_labels: bool = False
) -> MaskReading:
    """Return what the values of masks mean.

    Only 0 and 255: background, and the class ``white``. Other numbers, indices of a palette among
    them: class ids, 255 being unlabelled. Colours: one class each, in the order of their RGB
    values, as data sets have them. Where edges are soft, the nearer class is taken. Alpha counts in
    their place where it differs and the colours under it do not, as in mattes, or are more than
    the classes, as in pictures that are cut out.

    Args:
        masks: The masks.
        classes: The names of the classes of the project.
        white: The class of 255 where masks hold 0 and 255 alone, and of what is opaque in mattes.
        are_labels: Whether 255 is known to be unlabelled, also where masks hold 0 and 255 alone.
    """
    notes: list[str] = []
    with_alpha = [path for path in masks if has_alpha(path)]
    kind = _look_at_alpha(_choose(with_alpha))
    if kind == "both" and _are_pictures(_choose(with_alpha), len(classes)):
        kind = "cut out"
        notes.append(
            f"alpha is the mask, as what has it holds more colours than there are classes: what "
            f"is opaque is {classes[white]}"
        )
    elif kind == "matte":
        notes.append(f"alpha is the mask: what is opaque is {classes[white]}")
    if kind in ("matte", "cut out"):
        masks = [path for path in masks if path not in set(with_alpha)]
    elif kind == "both":
        notes.append(
            f"transparency of {len(with_alpha)} masks is left out, as their colours differ too; "
            "save the alpha alone, white on black, if that is the mask"
        )
    known = read_until([str(path) for path in masks], _hold_more_than_black_and_white, _read)
    soft = False
    ids: Mapping[int, int] = {number: number for number in range(len(classes))}
    ids = {**ids, UNLABELLED: UNLABELLED}
    values, rims = _values(sum_numbers([each for each in known if not each.is_coloured])[0])
    if 255 in values and values <= BINARY_VALUES and not are_labels:
        ids = {0: 0, 255: white}
        notes.append(f"white is {classes[white]}, black is {classes[0]}")
    elif values:
        notes.append("values are the numbers of classes, and 255 is unlabelled")
    in_colours = (each.counts for each in known if each.is_coloured)
    colours, rims_in_colours = _values(ValueCounts.sum(in_colours))
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
    is_alpha = kind in ("matte", "cut out")
    return MaskReading(decoder, tuple(notes), white if is_alpha else None)


def _choose(masks: Sequence[Path]) -> Sequence[Path]:
    """Return as many as are looked at, spread over all."""
    return masks[:: max(1, -(-len(masks) // _PROBE_MASKS))]


def _are_pictures(masks: Sequence[Path], classes: int) -> bool:
    """Return whether one of some files holds more colours or numbers than can be classes."""
    for path in masks:
        try:
            values, _ = _values(read_mask_values(str(path)).counts)
        except LabelValueError:
            return True  # a photograph
        except UnreadableImageError:
            continue
        if len(values - {UNLABELLED}) > classes:
            return True
    return False


def _look_at_alpha(
    masks: Sequence[Path],
) -> Literal["matte", "cut out", "both", "nothing"]:
    """Return whether alpha alone tells something in files that have it, or colours do too."""
    colours: set[tuple[int, ...]] = set()
    levels: set[int] = set()
    white = 0
    for path in masks:
        try:
            samples = decode_file(path, palette_indices=True)
        except UnreadableImageError:
            continue  # it is named when it is decoded
        flat = samples.reshape(-1, samples.shape[-1])
        for found in (flat.min(axis=0), flat.max(axis=0)):
            colours.add(tuple(found[:-1].tolist()))
            levels.add(int(found[-1]))
        white = _white(samples)
    if not levels or levels == {white}:
        return "nothing"
    return "matte" if len(colours) == 1 else "both" if len(levels) > 1 else "nothing"


def _white(samples: NDArray[Any]) -> int:
    return int(np.iinfo(samples.dtype).max)


def _read(path: str) -> MaskValues | None:
    """Return the values of a mask; None for what is named when it is decoded."""
    try:
        return read_mask_values(path)
    except (LabelValueError, UnreadableImageError):
        return None


def _hold_more_than_black_and_white(masks: Sequence[MaskValues]) -> bool:
    """Return whether the masks that were read decide what white means."""
    if any(each.is_coloured for each in masks):
        return True
    return not _values(sum_numbers(masks)[0])[0] <= BINARY_VALUES


def _values(total: ValueCounts) -> tuple[set[int], bool]:
    """Return the values that fill areas, and whether there are rims between them."""
    soft = find_soft_edges(total) if total.pixels else None
    return (set(total.pixels), False) if soft is None else (set(soft.areas), True)
