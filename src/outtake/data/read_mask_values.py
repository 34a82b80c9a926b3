"""Read which values masks hold, counted over one or all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from outtake.core.errors import LabelValueError
from outtake.core.parallel import default_threads, map_threads
from outtake.data.image_files import read_stored_mask
from outtake.data.mask_encoding import format_value, is_gray, rgb_image_to_int
from outtake.data.soft_edges import ValueCounts, count_values, find_soft_edges

BINARY_VALUES = frozenset({0, 255})
MAX_COLOURS = 255
# So many, spread over all, are read first: they decide where they hold ids.
_FIRST_MASKS = 64
_TITLE = "Finding classes"


@dataclass(frozen=True)
class MaskValues:
    """The values in one mask.

    Attributes:
        counts: Its numbers; of a coloured mask, its colours as 0xRRGGBB.
        is_rgb: Whether it is stored as RGB.
        is_coloured: Whether its three channels differ.
        palette: The colour of each number, 0xRRGGBB; empty without a palette.
        shades: How bright each number is shown, 0 to 255, of fewer than 8 bits or of a palette;
            empty where that is the number itself, or one is no gray.
    """

    counts: ValueCounts
    is_rgb: bool = False
    is_coloured: bool = False
    palette: Mapping[int, int] = field(default_factory=dict)
    shades: Mapping[int, int] = field(default_factory=dict)

    @property
    def in_colours(self) -> ValueCounts:
        """The counts with grays, and the indices of a palette, as colours."""
        if self.is_coloured:
            return self.counts
        if self.palette:
            return self.counts.rename(self.palette)
        return self.counts.rename({value: 0x010101 * value for value in self.counts.pixels})

    @property
    def is_black_and_white(self) -> bool:
        """Whether all that it shows is black or white, though its numbers are not 0 and 255."""
        return bool(self.shades) and set(self.shades.values()) <= BINARY_VALUES


def read_mask_values(path: str) -> MaskValues:
    """Return the values of a mask file.

    Raises:
        LabelValueError: It is a photograph.
        UnreadableImageError: It cannot be decoded.
    """
    stored = read_stored_mask(path)
    raw = stored.values
    if raw.ndim == 2:
        counts = count_values(raw, raw)
        codes, shown = stored.palette_codes(), stored.shades()
        palette = {} if codes is None else {each: int(codes[each]) for each in counts.pixels}
        shades = {} if shown is None else {each: int(shown[each]) for each in counts.pixels}
        return MaskValues(
            counts,
            palette={} if -1 in palette.values() else palette,
            shades={} if -1 in shades.values() else shades,
        )
    if is_gray(raw):
        return MaskValues(count_values(raw[..., 0], raw[..., 0]), is_rgb=True)
    counts = count_values(raw, rgb_image_to_int(raw))
    if len(counts.pixels) >= MAX_COLOURS and find_soft_edges(counts) is None:
        raise LabelValueError(
            f"the mask {path} holds {len(counts.pixels)} colours, which cannot all be classes; "
            "masks must not be smoothed or photographs; list the classes in classes.yaml"
        )
    return MaskValues(counts, True, True)


def read_or_skip(path: str) -> MaskValues | None:
    """Return the values of a mask file; None of a photograph, which is named when it is decoded."""
    try:
        return read_mask_values(path)
    except LabelValueError:
        return None


def sum_numbers(masks: Sequence[MaskValues]) -> tuple[ValueCounts, bool]:
    """Add up the numbers of masks that are not coloured.

    White is 1 of one bit, 15 of four, and any index of a palette. Beside masks of 0 and 255, and
    where black and white are all that masks of two or four bits show, it counts as 255.

    Returns:
        The counts, and whether numbers were counted as what they show beside masks of 0 and 255.
    """
    usual = ValueCounts.sum(each.counts for each in masks if not each.shades)
    others = [each for each in masks if each.shades]
    plain = ValueCounts.sum(each.counts for each in others)
    total = ValueCounts.sum((usual, plain))
    if not others or not all(each.is_black_and_white for each in others):
        return total, False
    beside = 255 in usual.pixels and set(find_areas(usual)) <= BINARY_VALUES
    if beside or (not usual.pixels.keys() - {0} and max(plain.pixels) > 1):
        shown = ValueCounts.sum(each.counts.rename(each.shades) for each in others)
        return ValueCounts.sum((usual, shown)), beside and plain.pixels != shown.pixels
    return total, False


def find_areas(counts: ValueCounts) -> Sequence[int]:
    """Return the values that fill areas: all, unless edges are soft."""
    soft = find_soft_edges(counts) if counts.pixels else None
    return sorted(counts.pixels) if soft is None else soft.areas


def read_until(
    masks: Sequence[str],
    decides: Callable[[Sequence[MaskValues]], bool],
    read: Callable[[str], MaskValues | None] = read_or_skip,
) -> list[MaskValues]:
    """Read masks until they decide what was asked: some spread over all, then more, then all.

    Args:
        masks: The files.
        decides: Takes what was read, and says whether that is enough.
        read: Reads one; None leaves it out.
    """
    step = max(1, -(-len(masks) // _FIRST_MASKS))
    order = [path for offset in range(step) for path in masks[offset::step]]
    found: list[MaskValues] = []
    begin, count = 0, _FIRST_MASKS
    while begin < len(order):
        chunk = order[begin : begin + count]
        values = map_threads(read, chunk, threads=default_threads(), title=_TITLE)
        found += [each for each in values if each is not None]
        if decides(found):
            break
        begin, count = begin + count, 8 * count
    return found


def explain_palettes(masks: Sequence[str], found: Sequence[MaskValues | None]) -> str | None:
    """Return where two masks give one index two colours; None if none do.

    Args:
        masks: The files.
        found: The values of each.
    """
    seen: dict[int, tuple[int, str]] = {}
    for path, item in zip(masks, found, strict=True):
        for index, code in (item.palette if item is not None else {}).items():
            known, where = seen.setdefault(index, (code, path))
            if known != code:
                return (
                    f"index {index} is {format_value(known, True)} in {where} and "
                    f"{format_value(code, True)} in {path}"
                )
    return None
