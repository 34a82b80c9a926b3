"""Preview: a contact sheet of samples, and of augmented ones, with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from outtake.config.build_data import build_data
from outtake.config.program_options import PreviewOptions, read_options
from outtake.core.errors import EmptySplitError, OutputError
from outtake.core.files import check_folder
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.data.clipped_pixels import measure_clipping
from outtake.data.datamodule import DataModule
from outtake.data.dataset import SegmentationDataset
from outtake.drawing.label_pictures import (
    colourise,
    draw_colour_key,
    draw_contact_sheet,
    overlay_labels,
    save_png,
)
from outtake.programs.library_warnings import quiet_libraries

_UNLABELLED = (70, 70, 78)
_MAX_NAMED = 24


def preview(cfg: DictConfig) -> Path:
    """Draw a contact sheet as ``conf/preview.yaml`` says.

    Returns:
        The path of the picture.

    Raises:
        OuttakeError: There is no such data set, a file of a sample that is drawn cannot be read, or
            the picture cannot be written.
    """
    quiet_libraries()
    options = read_options(PreviewOptions, cfg)
    output = options.output or Path(f"{options.data.file_stem}-preview.png")
    if output.suffix.lower() != ".png":
        raise OutputError(f"output={output}: give a name that ends in .png")
    check_folder(output.parent)
    data = build_data(cfg)
    sheet = draw_preview(
        data, options.split, options.samples, options.variants,
        short_side=options.data.short_side, width_px=options.width,
    )  # fmt: skip
    save_png(output, sheet)
    print(f"written to {output}")
    if options.variants:
        training = _open_augmented(data, options.split, options.data.short_side)
        chosen = _spread(len(training), options.samples)
        clipped = measure_clipping(training, data.source, chosen, options.variants)
        print(f"augmentation makes {clipped:.1%} of their labelled pixels black or white")
    return output


def draw_preview(
    data: DataModule,
    split: str,
    count: int,
    variants: int,
    *,
    short_side: int | None,
    width_px: int = 320,
) -> Frame:
    """Draw samples that are spread over a split: image, mask, and augmented with the mask on it.

    Args:
        data: The data set with its augmentation.
        split: ``train``, ``val`` or ``test``.
        count: The number of samples.
        variants: The number of augmented pictures of each, drawn as in as many epochs.
        short_side: The short side at which training takes the images; None leaves them.
        width_px: The width of each picture.

    Returns:
        uint8 (H, W, 3).

    Raises:
        EmptySplitError: The split holds no sample.
    """
    source = data.source
    samples = source.samples(split)
    if not samples:
        raise EmptySplitError(f"the split {split!r} of {source.name} holds no samples")
    chosen = _spread(len(samples), count)
    training = _open_augmented(data, split, short_side)
    palette = _palette(source.labels)
    rows = []
    for index in chosen:
        image, mask = source.read_image(samples[index]), source.read_mask(samples[index])
        row = [_to_rgb(image), colourise(mask, palette)]
        for epoch in range(variants):
            drawn = training[epoch, index]
            changed = _to_rgb(drawn["image"].numpy().transpose(1, 2, 0))
            labels = _to_labels(drawn["mask"].numpy())
            background = source.labels.background_id
            row.append(overlay_labels(changed, labels, palette, background=background))
        rows.append(row)
    sheet = draw_contact_sheet(
        rows,
        ["image", "mask", *(f"augmented {number + 1}" for number in range(variants))],
        title=f"{source.name}, {split}: {len(chosen)} of {len(samples)} samples",
        cell_width_px=width_px,
    )
    return _add_key(sheet, source.labels)


def _spread(total: int, count: int) -> list[int]:
    places = np.unique(np.linspace(0, total - 1, min(count, total)).round())
    return [int(place) for place in places]


def _open_augmented(data: DataModule, split: str, short_side: int | None) -> SegmentationDataset:
    return SegmentationDataset(
        data.source,
        data.source.samples(split),
        short_side=short_side,
        augmentation=data.augmentation,
    )


def _palette(labels: LabelSpace) -> Frame:
    palette = labels.palette()
    palette[labels.ignore_index] = _UNLABELLED
    return palette


def _to_labels(mask: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> LabelMap:
    return mask.astype(np.uint8)


def _to_rgb(image: Frame) -> Frame:
    shown = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, 2)
    return np.ascontiguousarray(shown)


def _add_key(sheet: Frame, labels: LabelSpace) -> Frame:
    """Put the names of the classes with their colours below a sheet."""
    entries: Sequence[tuple[str, tuple[int, int, int]]] = [
        *list(zip(labels.names, labels.colours, strict=True))[:_MAX_NAMED],
        ("unlabelled", _UNLABELLED),
    ]
    per_row = 6
    strips = []
    for start in range(0, len(entries), per_row):
        strip = np.zeros((34, sheet.shape[1], 3), np.uint8)
        draw_colour_key(strip, entries[start : start + per_row])
        strips.append(strip)
    return np.concatenate([sheet, *strips])
