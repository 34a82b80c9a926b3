"""Which labelled frames of a clip are for training and which for validation, and their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.labels import LabelSpace
from outtake.core.types import LabelMap
from outtake.data.class_file import ClassList
from outtake.data.infer_classes import BINARY_NAMES, UNLABELLED_VALUE
from outtake.data.read_mask_values import MaskValues, read_mask_values, read_until, sum_numbers
from outtake.data.source import DataChoice, warn_of_data

_MAX_IDS = 16  # more are shades of grey


def split_labelled_frames(
    numbers: Sequence[int],
    val_fraction: float | None,
    val_frames: Sequence[int] | None,
    name: str,
) -> tuple[list[int], list[int]]:
    """Divide labelled frames into ``train`` and ``val``, and say so in one line.

    Args:
        numbers: Their numbers, ascending.
        val_fraction: The part that becomes ``val``, the last ones; None where all are trained on.
        val_frames: The numbers that are ``val`` instead; None for none.
        name: The clip, for messages.

    Raises:
        DataRootError: There is no labelled frame, or too few to divide.
        ConfigError: A frame of ``val_frames`` has no label.
    """
    if val_frames is not None:
        unknown = sorted(set(val_frames) - set(numbers))
        if unknown:
            raise ConfigError(
                f"data.source.val_frames: frame {unknown[0]} of {name} has no label; labelled are "
                f"{', '.join(map(str, numbers))}"
            )
        train = [number for number in numbers if number not in val_frames]
        if not train or not val_frames:
            raise DataRootError(
                f"data.source.val_frames={list(val_frames)}: train and val of {name} need one of "
                f"its {len(numbers)} labelled frames each"
            )
        return train, sorted(set(val_frames))
    if not numbers:
        raise DataRootError(f"{name} has no labelled frame; label some first")
    if val_fraction is None:
        warn_of_data(
            f"{name}: labelled frames ({len(numbers)}) are all trained on and scored, so val says "
            "how well they are known, not how good the other frames are "
            "(data.source.val_frames=[N] keeps one out)",
            DataChoice,
        )
        return list(numbers), list(numbers)
    if len(numbers) < 2:
        raise DataRootError(
            f"{name} has 1 labelled frame; train and val need one each, or set "
            "data.source.val_fraction=null to train on it alone"
        )
    kept = min(max(round(len(numbers) * val_fraction), 1), len(numbers) - 1)
    warn_of_data(
        f"{name} has no val: the last {kept} of its {len(numbers)} labelled frames are "
        f"val (data.source.val_fraction={val_fraction:g}), and train is the others",
        DataChoice,
    )
    return list(numbers[:-kept]), list(numbers[-kept:])


def check_labels(frames: Iterable[LabelMap], labels: LabelSpace, name: str) -> None:
    """Refuse labels from which nothing can be learned; say which class no frame shows.

    Args:
        frames: The labels of all labelled frames.
        labels: The classes.
        name: The clip, for messages.

    Raises:
        DataRootError: No pixel is labelled, or all have one class.
    """
    seen = np.zeros(256, np.int64)
    for each in frames:
        seen += np.bincount(each.ravel(), minlength=256)
    shown = [name for name, pixels in zip(labels.names, seen, strict=False) if pixels]
    missing = [name for name, pixels in zip(labels.names, seen, strict=False) if not pixels]
    if not shown:
        raise DataRootError(f"{name}: no pixel of its labelled frames has a class; label some")
    if len(shown) == 1:
        raise DataRootError(
            f"{name}: all that is labelled is {shown[0]!r}, and nothing is {' or '.join(missing)}; "
            "label both what is removed and what stays (where masks are 0 and 255 alone, leave "
            "data.source.classes out)"
        )
    if missing:
        warn_of_data(
            f"{name}: no labelled frame shows {', '.join(missing)}, which the network cannot learn"
        )


def find_unlabelled_value(files: Sequence[Path]) -> ClassList | None:
    """Return classes where masks hold 1, perhaps more ids, and 255, which is unlabelled then.

    By themselves 0 and 255 are background and foreground.

    Args:
        files: The masks of the labelled frames.
    """
    # All of them: an object may be in a few frames only.
    found = read_until([str(file) for file in files], _hold_colours, read_mask_values)
    if _hold_colours(found):
        return None
    values = set(sum_numbers(found)[0].pixels)
    ids = sorted(values - {UNLABELLED_VALUE})
    if UNLABELLED_VALUE not in values or not ids or not 1 <= ids[-1] <= _MAX_IDS:
        return None
    objects = [f"object_{each}" for each in range(1, ids[-1] + 1)]
    names = BINARY_NAMES if len(objects) == 1 else ("background", *objects)
    return ClassList(names, ignore=UNLABELLED_VALUE)


def _hold_colours(masks: Sequence[MaskValues]) -> bool:
    return any(each.is_coloured for each in masks)
