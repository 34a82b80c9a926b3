"""What is drawn for the intervals of scores: whole recordings where they are known, else images.

Frames of one recording look alike: an interval that draws them one by one is far too narrow for
other recordings. Where a split has too few recordings to draw from, its images are drawn, and
whatever shows the interval says that it holds for other images of these recordings only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.data.folds import FOLD_BY_AUTO, FOLD_BY_NAME, FoldSource, find_groups
from outtake.data.source import Sample, SegmentationSource, find_group
from outtake.data.source_view import SourceView
from outtake.evaluation.bootstrap import MIN_UNITS, Bootstrap

IMAGE, RECORDING, GROUP = "image", "recording", "group"


@dataclass(frozen=True)
class SamplingUnits:
    """The units that are drawn, each of one image or more.

    Attributes:
        unit: What one is called.
        places: The number of the unit of each sample, by its index, int64 (samples,); -1 where an
            image has no labelled pixel, which counts for nothing.
        within: The number of recordings that the images are of, where these are too few to be
            drawn; None where an interval holds beyond them.
        kind: What such a recording is called.
    """

    unit: str
    places: NDArray[np.int64]
    within: int | None = None
    kind: str = RECORDING

    @property
    def count(self) -> int:
        """The number of units."""
        return int(self.places.max()) + 1

    def sum_units(self, indices: Sequence[int], per_image: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sums over the images of each unit, float64 (units, ...).

        Args:
            indices: The indices of the samples in the order of ``per_image``.
            per_image: Values of each image, (images, ...).
        """
        sums = np.zeros((self.count, *per_image.shape[1:]))
        places = self.places[np.asarray(indices)]
        np.add.at(sums, places[places >= 0], per_image[places >= 0])
        return sums

    def describe(self, bootstrap: Bootstrap) -> dict[str, Any]:
        """Return what a record says of the draws, see :func:`describe_draws`."""
        return {
            "unit": self.unit,
            "units": self.count,
            "images": int((self.places >= 0).sum()),
            "images_without_labels": int((self.places < 0).sum()),
            "within": None if self.within is None else {"kind": self.kind, "count": self.within},
            "resamples": bootstrap.resamples,
            "level": bootstrap.level,
            "seed": bootstrap.seed,
        }


def choose_units(
    recordings: Sequence[str | None], labelled: NDArray[np.bool_], kind: str = RECORDING
) -> SamplingUnits:
    """Return the recordings as units, or the images where there are too few to draw from.

    Args:
        recordings: The recording of each sample; None for an image by itself.
        labelled: Whether each sample has a labelled pixel, (samples,).
        kind: What a recording is called.
    """
    names = [(index,) if each is None else (-1, each) for index, each in enumerate(recordings)]
    keys = [name for name, counts in zip(names, labelled, strict=True) if counts]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    known = sum(len(key) > 1 for key in numbers)
    places = np.full(len(names), -1)
    if known and len(numbers) >= MIN_UNITS:
        places[labelled] = [numbers[key] for key in keys]
        unit = kind if known == len(numbers) else f"{kind} or {IMAGE}"
        return SamplingUnits(unit, places, None, kind)
    places[labelled] = np.arange(len(keys))
    return SamplingUnits(IMAGE, places, len(numbers) if known else None, kind)


def find_units(
    source: SegmentationSource,
    samples: Sequence[Sample],
    labelled: NDArray[np.bool_],
    group_by: str = FOLD_BY_AUTO,
    fold_by: str = FOLD_BY_AUTO,
) -> SamplingUnits:
    """Return what is drawn of the samples of a split.

    Args:
        source: The data set.
        samples: Its samples, by index.
        labelled: Whether each sample has a labelled pixel, (samples,).
        group_by: ``auto``, the recordings that the data set declares; ``name``, each image by
            itself; or an expression whose first group finds the recording in the id of a sample.
        fold_by: What made the folds, where the data set is divided into such; an expression finds
            recordings that the data set does not declare.

    Raises:
        ConfigError: The expression is none, or does not fit an id.
    """
    whole, originals, is_fold = _undo_views(source, samples)
    if group_by == FOLD_BY_AUTO and is_fold and fold_by != FOLD_BY_NAME:
        group_by = fold_by
    if group_by == FOLD_BY_NAME:
        return choose_units([None] * len(originals), labelled)
    if group_by == FOLD_BY_AUTO:
        return choose_units([find_group(whole, each) for each in originals], labelled)
    try:
        return choose_units(find_groups(whole, originals, group_by), labelled, GROUP)
    except ConfigError as error:
        # Folds take the same expressions by a name of their own.
        text = str(error).replace("fold_by=", "bootstrap.group_by=")
        raise ConfigError(text) from error


def _undo_views(
    source: SegmentationSource, samples: Sequence[Sample]
) -> tuple[SegmentationSource, list[Sample], bool]:
    """Return the data set behind its views, its own samples, and whether one view is of folds."""
    originals, is_fold = list(samples), False
    while isinstance(source, SourceView):
        originals = [source.find_original(each) for each in originals]
        is_fold = is_fold or isinstance(source, FoldSource)
        source = source.whole
    return source, originals, is_fold


def describe_draws(record: Mapping[str, Any]) -> str:
    """Return what intervals are of, and what they hold for, as part of a sentence.

    Args:
        record: What :meth:`SamplingUnits.describe` returned.
    """
    units = _count(record["units"], record["unit"])
    if record["units"] < MIN_UNITS:
        verb = "is" if record["units"] == 1 else "are"
        return f"no intervals: {units} {verb} too few to draw from, which takes {MIN_UNITS}"
    notes = [] if record["unit"] == IMAGE else [_count(record["images"], IMAGE)]
    if record["images_without_labels"]:
        notes.append(f"{record['images_without_labels']} without labels left out")
    text = f"{100 * record['level']:g}% intervals over {units}"
    text += f" ({', '.join(notes)})" if notes else ""
    if record["within"] is None:
        return text
    kind, count = record["within"]["kind"], record["within"]["count"]
    same = f"same {kind}" if count == 1 else f"same {_count(count, kind)}"
    return f"{text}, which hold for other images of the {same} only"


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {' or '.join(f'{each}s' for each in word.split(' or '))}"
