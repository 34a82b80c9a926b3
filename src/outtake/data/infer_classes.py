"""Infer the classes of a user's folder from the values in its masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from outtake.core.errors import LabelValueError
from outtake.core.labels import LabelSpace
from outtake.core.parallel import default_threads, map_threads
from outtake.data.mask_encoding import (
    SOFT_EDGES_ADVICE,
    MaskDecoder,
    format_value,
    rgb_to_int,
)
from outtake.data.read_mask_values import (
    BINARY_VALUES,
    MAX_COLOURS,
    MaskValues,
    explain_palettes,
    read_mask_values,
    read_or_skip,
    sum_numbers,
)
from outtake.data.soft_edges import (
    SoftEdges,
    SoftMask,
    ValueCounts,
    find_soft_edges,
)
from outtake.data.source import DataChoice, warn_of_data

UNLABELLED_VALUE = 255
BINARY_IDS = {0: 0, 255: 1}
BINARY_NAMES = ("background", "foreground")
CORRECTION_ADVICE = (
    "correct the mask, or name the value in the classes' yaml (as a class or as `ignore`)"
)
_TRAINED_ADVICE = (
    "the network was trained on masks with these; name what others stand for in classes.yaml"
)
WHITE_IS_255 = "masks of black and white are stored in several ways: white is 255 in all of them"
_PALETTE_ADVICE = (
    "list `names` and `colours` of the classes in classes.yaml, where the colours count; or "
    "`names` alone, where the indices do"
)
_RARE_SHARE = 0.1  # of the masks


def infer_decoder(
    masks: Sequence[str], soft_edges: SoftEdges = "error", *, skip_outliers: bool = False
) -> MaskDecoder:
    """Return a decoder for the classes that the values of the training masks imply.

    Only 0 and 255: ``background`` and ``foreground``. Other numbers: ``class_0`` to
    ``class_n``, 255 being unlabelled. Colours: one class each, in the order of their RGB values.
    One line says which names were made up.

    Args:
        masks: The training masks.
        soft_edges: What becomes of masks with soft edges; ``keep`` does not look for them.
        skip_outliers: Leave out the few masks that are unlike all others, and values that only
            they have, for whoever lists those by name.

    Raises:
        LabelValueError: The values do not look like labels, there are fewer than two classes, or
            edges are soft and ``soft_edges`` is ``error``.
    """
    read = read_or_skip if skip_outliers else read_mask_values
    read_values = map_threads(read, masks, threads=default_threads(), title="Finding classes")
    if skip_outliers:
        masks, read_values = _drop_outliers(masks, read_values)
    found = [item for item in read_values if item is not None]
    coloured = [index for index, item in enumerate(found) if item.is_coloured]
    single = [index for index, item in enumerate(found) if not (item.is_rgb or item.palette)]
    if coloured and single:
        raise LabelValueError(
            f"masks are of two kinds: {masks[coloured[0]]} is in colours and "
            f"{masks[single[0]]} is not; save them alike, or describe both in classes.yaml"
        )
    if coloured:
        counts = ValueCounts.sum(item.in_colours for item in found)
    else:
        if (differ := explain_palettes(masks, read_values)) is not None:
            raise LabelValueError(f"the palettes of masks differ: {differ}; {_PALETTE_ADVICE}")
        counts, converted = sum_numbers(found)
        if converted:
            warn_of_data(WHITE_IS_255)
    values = set(counts.pixels)
    soft = None if soft_edges == "keep" else find_soft_edges(counts)
    if soft is not None:
        softest = max(range(len(masks)), key=lambda index: len(found[index].counts.pixels))
        if soft_edges == "error":
            raise soft_edges_error(soft, masks[softest], bool(coloured))
        warn_of_data(
            f"masks have soft edges: {soft.rims} values in {soft.share:.2%} of the pixels lie "
            f"between {_list_values(soft.areas, bool(coloured))} and are "
            + ("given to the nearer one" if soft_edges == "nearest" else "unlabelled")
        )
        values = set(soft.areas)
    if coloured:
        decoder = _decoder_for_colours(sorted(values), masks[coloured[0]])
    elif values == BINARY_VALUES:
        labels = LabelSpace.from_names(BINARY_NAMES)
        decoder = MaskDecoder(labels, BINARY_IDS, {}, CORRECTION_ADVICE)
    else:
        decoder = _decoder_for_ids(values - {UNLABELLED_VALUE}, masks[0])
    return replace(decoder, soft_edges=soft_edges)


def _drop_outliers(
    masks: Sequence[str], found: Sequence[MaskValues | None]
) -> tuple[list[str], list[MaskValues | None]]:
    """Keep the masks of the more frequent kind whose values others have too, or nearly all."""
    known = [(path, item) for path, item in zip(masks, found, strict=True) if item is not None]
    coloured = 2 * sum(item.is_coloured for _, item in known) > len(known)
    if coloured:
        known = [pair for pair in known if pair[1].is_rgb or pair[1].palette]
    else:
        known = [pair for pair in known if not pair[1].is_coloured]
    values = [(item.in_colours if coloured else item.counts).pixels.keys() for _, item in known]
    holders = Counter(value for held in values for value in held)
    limit = max(1.0, len(known) * _RARE_SHARE)
    rare = {value for value, count in holders.items() if count <= limit}
    usual = [pair for pair, held in zip(known, values, strict=True) if not rare & held]
    if 2 * len(usual) > len(known):
        known = usual
    return [path for path, _ in known], [item for _, item in known]


def soft_edges_error(soft: SoftMask, example: str, colours: bool) -> LabelValueError:
    """Return the error for masks with soft edges, with what to do about them."""
    binary = set(soft.areas) == BINARY_VALUES
    return LabelValueError(
        f"the masks (as {example}) have soft edges, as after resizing or smoothing: "
        f"{soft.rims} values in {soft.share:.2%} of the pixels lie in thin rims between "
        f"{_list_values(soft.areas, colours)}; {SOFT_EDGES_ADVICE}"
        + ("; or data.source.threshold=128 for black and white" if binary else "")
    )


def _list_values(values: Sequence[int], colours: bool) -> str:
    return ", ".join(format_value(value, colours) for value in values[:12]) + (
        " ..." if len(values) > 12 else ""
    )


def decoder_for_trained(
    labels: LabelSpace, masks: Sequence[str], soft_edges: SoftEdges = "error"
) -> MaskDecoder:
    """Return the decoder of masks on which a network is scored, where no file names their classes.

    Classes that training found in masks by values or colours are these here too, however few of
    them there are.

    Args:
        labels: The classes of the network.
        masks: The masks of one split.
        soft_edges: See :func:`infer_decoder`.

    Raises:
        LabelValueError: As for :func:`infer_decoder`, where the network's classes have names.
    """
    ids: dict[int, int] = {}
    colours: dict[int, int] = {}
    if labels.known_by == "colour":
        colours = {rgb_to_int(colour): number for number, colour in enumerate(labels.colours)}
    elif labels.known_by == "value":
        ids = {number: number for number in range(len(labels.names))}
        ids[UNLABELLED_VALUE] = labels.ignore_index
    elif labels.names == BINARY_NAMES:
        ids = BINARY_IDS
    else:
        return infer_decoder(masks, soft_edges)
    return MaskDecoder(labels, ids, colours, _TRAINED_ADVICE, soft_edges=soft_edges)


def _decoder_for_ids(values: set[int], example: str) -> MaskDecoder:
    listed = ", ".join(map(str, sorted(values)[:12])) + (" ..." if len(values) > 12 else "")
    count = max(values, default=0) + 1
    if count < 2:
        raise LabelValueError(
            f"the training masks (as {example}) hold only one class (values: {listed or '255'}); "
            "segmentation needs two"
        )
    if count > UNLABELLED_VALUE or 2 * len(values) < count:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(values)} values that are not 0, 1, "
            f"2 ...: {listed}; name them in classes.yaml as `names: {{VALUE: NAME, ...}}`"
        )
    labels = LabelSpace.from_names(_made_up_names(count), known_by="value")
    warn_of_data(
        f"classes were found by their values, 0 to {count - 1}, and are called class_0 to "
        f"class_{count - 1}: data.source.classes=[NAME,...] names them in this order, or `names:` "
        "in classes.yaml",
        DataChoice,
    )
    ids = {number: number for number in range(count)}
    return MaskDecoder(
        labels, {**ids, UNLABELLED_VALUE: labels.ignore_index}, {}, CORRECTION_ADVICE
    )


def _decoder_for_colours(codes: list[int], example: str) -> MaskDecoder:
    if not 2 <= len(codes) < MAX_COLOURS:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(codes)} colours, classes are 2 to "
            f"{MAX_COLOURS - 1}; masks must not be smoothed; list the classes in classes.yaml"
        )
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in codes]
    labels = LabelSpace.from_names(_made_up_names(len(codes)), colours, known_by="colour")
    warn_of_data(
        f"classes were found by their colours, {_list_values(codes, True)}, and are called class_0 "
        f"to class_{len(codes) - 1} in this order: `names:` and `colours:` in classes.yaml name "
        "them",
        DataChoice,
    )
    return MaskDecoder(
        labels, {}, {code: label for label, code in enumerate(codes)}, CORRECTION_ADVICE
    )


def _made_up_names(count: int) -> list[str]:
    return [f"class_{number}" for number in range(count)]
