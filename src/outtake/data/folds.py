"""k-fold cross-validation: one part of the labelled images is ``val``, the others are ``train``.

Images of one recording look alike: a network that has seen one knows its neighbour. A data set that
knows its recordings has a method ``group``, and all images of a group are in the same fold.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from outtake.core.errors import ConfigError, MissingSplitError
from outtake.core.printable_text import list_some
from outtake.data.source import (
    DataChoice,
    Sample,
    SegmentationSource,
    ValChoice,
    find_group,
    warn_of_data,
)
from outtake.data.source_view import SourceView

FOLD_BY_AUTO, FOLD_BY_NAME = "auto", "name"
_MAX_NAMES = 6

log = logging.getLogger(__name__)


class FoldSource(SourceView):
    """A data set whose ``train`` and ``val`` together are divided anew; ``test`` stays.

    Args:
        source: The data set.
        folds: The number of parts.
        fold: The part that is ``val``, from 0.
        fold_by: What stays together: ``auto``, the groups that the data set declares, else each
            image by itself; ``name``, each image by itself; or a regular expression whose first
            group finds the recording in the id of a sample, as ``([^_]+)_``.

    Raises:
        ConfigError: There are fewer groups than folds, or the expression does not fit.
    """

    def __init__(
        self, source: SegmentationSource, folds: int, fold: int, fold_by: str = FOLD_BY_AUTO
    ) -> None:
        super().__init__(source)
        self._originals = _pool(source)
        groups = find_groups(source, list(self._originals.values()), fold_by)
        place = assign_folds(groups, folds)
        known = dict(zip(self._originals, groups, strict=True))
        self._val = {sample_id for sample_id, group in known.items() if place[group] == fold}
        held_out = sorted({known[sample_id] for sample_id in self._val})
        what = f": {_list_names(held_out)}" if len(held_out) < len(self._val) else ""
        log.info(
            "fold %d of %d: val is %d of %d images%s",
            fold, folds, len(self._val), len(known), what,
        )  # fmt: skip

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split; those of ``train`` and ``val`` are of the fold."""
        if split not in ("train", "val"):
            return self._source.samples(split)
        return [
            replace(sample, id=sample_id)
            for sample_id, sample in self._originals.items()
            if (sample_id in self._val) == (split == "val")
        ]

    def find_original(self, sample: Sample) -> Sample:
        """Return the sample by its id in the data set, which another of ``val`` may share."""
        found = self._originals.get(sample.id)
        # A sample of test may bear the name of another of train.
        return found if found is not None and found.image == sample.image else sample


def _pool(source: SegmentationSource) -> dict[str, Sample]:
    """Return the samples of ``train`` and ``val`` by ids that are unique in both."""
    with warnings.catch_warnings():
        # What the data set would take for val is not val of a fold.
        warnings.simplefilter("ignore", ValChoice)
        train = source.samples("train")
        try:
            val = source.samples("val")
        except MissingSplitError as error:
            warn_of_data(f"folds are made of train alone: {error.what}", DataChoice)
            val = []
    double = {sample.id for sample in train} & {sample.id for sample in val}
    return {
        f"{split}/{sample.id}" if sample.id in double else sample.id: sample
        for split, samples in (("train", train), ("val", val))
        for sample in samples
    }


def find_groups(
    source: SegmentationSource, samples: Sequence[Sample], fold_by: str = FOLD_BY_AUTO
) -> list[str]:
    """Return the group of each sample; see :class:`FoldSource`.

    Raises:
        ConfigError: ``fold_by`` is no expression with a group, or does not match an id.
    """
    if fold_by not in (FOLD_BY_AUTO, FOLD_BY_NAME):
        return _find_by_pattern(samples, fold_by)
    declared = [None if fold_by == FOLD_BY_NAME else find_group(source, each) for each in samples]
    return [
        f"{sample.id}\0{sample.image}" if group is None else group
        for sample, group in zip(samples, declared, strict=True)
    ]


def _find_by_pattern(samples: Sequence[Sample], pattern: str) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"fold_by={pattern}: no regular expression ({error})") from error
    if not expression.groups:
        raise ConfigError(
            f"fold_by={pattern}: give auto, name, or an expression with a group that finds the "
            "recording in the name of an image, as in fold_by='([^_]+)_'"
        )
    found = [(sample, expression.search(sample.id)) for sample in samples]
    other = next((sample.id for sample, match in found if not (match and match[1])), None)
    if other is not None:
        raise ConfigError(
            f"fold_by={pattern}: finds nothing in {other}; give an expression that fits all names"
        )
    return [match[1] for _, match in found if match]


def assign_folds(groups: Sequence[str], folds: int) -> Mapping[str, int]:
    """Return the fold of each group, so that folds have about as many images.

    It depends on the names and sizes of the groups alone: large groups first, groups of one size
    in the order of their hashes, each to the fold with the fewest images so far.

    Args:
        groups: The group of each image.
        folds: The number of folds.

    Raises:
        ConfigError: There are fewer groups than folds.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        single = len(sizes) == len(groups)
        kind = "images" if single else "groups of images that belong together"
        advice = f"set folds={len(sizes)}" if len(sizes) > 1 else "a fold needs another to train on"
        raise ConfigError(
            f"folds={folds}: the data has {len(sizes)} {kind} ({_list_names(sorted(sizes))}), and "
            f"none is divided; {advice}"
            + ("" if single else ", or fold_by=name to take each image by itself")
        )
    ranked = sorted(sizes, key=lambda name: (-sizes[name], _hash(name)))
    filled, place = [0] * folds, dict[str, int]()
    for name in ranked:
        fold = filled.index(min(filled))
        place[name] = fold
        filled[fold] += sizes[name]
    return place


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def _list_names(names: Sequence[str]) -> str:
    return list_some([name.partition("\0")[0] for name in names], _MAX_NAMES)
