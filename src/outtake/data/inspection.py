"""Inspect a whole data set: all defects at once, where verification stops at the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import DataRootError, EmptySplitError, MissingSplitError, OuttakeError
from outtake.core.labels import LabelSpace
from outtake.core.parallel import default_threads, map_threads
from outtake.data.clipped_samples import watch_samples
from outtake.data.defects import KINDS, Defect
from outtake.data.find_duplicates import find_duplicates
from outtake.data.find_sample_range import describe_lost_samples
from outtake.data.inspect_sample import SampleFacts, inspect_sample
from outtake.data.pair_files import FilePairs, propose_pairing
from outtake.data.source import SPLITS, Sample, SegmentationSource
from outtake.data.verification import describe_class_shares, find_range_keys

_BLACK_AND_WHITE_SHARE = 0.95


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        name: The name of the data set.
        labels: The classes; None where they are unknown.
        facts: Every sample, split by split.
        defects: What is wrong, the errors first.
    """

    name: str
    labels: LabelSpace | None
    facts: Sequence[SampleFacts]
    defects: Sequence[Defect]

    def count(self, severity: str) -> int:
        """Return how many defects are of a severity."""
        return sum(KINDS[each.kind].severity == severity for each in self.defects)

    def class_pixels(self) -> dict[str, NDArray[np.int64]]:
        """Return the pixels of each label, int64 (256,), by split."""
        return _sum_pixels(self.facts)

    def sizes(self) -> dict[str, list[tuple[tuple[int, int], int]]]:
        """Return the (height, width) of images with their number, the most frequent first."""
        found: dict[str, Counter[tuple[int, int]]] = {}
        for each in self.facts:
            if each.size is not None:
                found.setdefault(each.split, Counter())[each.size] += 1
        return {split: counts.most_common() for split, counts in found.items()}


def inspect_source(source: SegmentationSource, threads: int | None = None) -> Inspection:
    """Decode every file of every split and list all defects.

    Args:
        source: The data set. A ``Folder`` should be made with ``strict=False``, so that it can be
            opened whatever is wrong with its files.
        threads: The number of files that are read at a time; None decides by the processors.
    """
    class_error = getattr(source, "class_error", None)
    defects: list[Defect] = []
    if class_error is not None:
        kind = "soft_edges" if "soft edges" in str(class_error) else "classes"
        defects.append(Defect(kind, "", "the training masks", str(class_error)))
    facts: list[SampleFacts] = []
    for split in SPLITS:
        samples = _list_samples(source, split, defects)
        inspect = partial(inspect_sample, source, split=split, knows_classes=class_error is None)
        with watch_samples() as lost:
            facts += map_threads(
                inspect, samples, threads=threads or default_threads(),
                title=f"Inspecting {source.name} {split}",
            )  # fmt: skip
        lines = describe_lost_samples(lost, len(samples), split, find_range_keys(source, samples))
        defects += [Defect("lost_samples", split, split, line) for line in lines]
    defects += [defect for each in facts for defect in each.defects]
    defects += find_duplicates(facts)
    flaws: Mapping[str, str] = getattr(source, "flaws", {})
    defects += [Defect("left_out", "", where, line) for line, where in flaws.items()]
    labels = None if class_error is not None else source.labels
    if labels is not None:
        defects += _inspect_classes(facts, labels)
    order = {name: place for place, name in enumerate(KINDS)}
    defects.sort(key=lambda each: (KINDS[each.kind].severity != "error", order[each.kind]))
    return Inspection(source.name, labels, facts, defects)


def _list_samples(source: SegmentationSource, split: str, defects: list[Defect]) -> list[Sample]:
    try:
        match_split = getattr(source, "match_split", None)
        pairs = None if match_split is None else match_split(split)
        if pairs is not None:
            allowed = getattr(source, "missing_masks", None)
            defects += _inspect_pairs(pairs, split, allowed)
        samples = source.samples(split)
    except EmptySplitError as error:
        defects.append(Defect("empty_split", split, split, str(error)))
        return []
    except DataRootError as error:
        if split == "val" and isinstance(error, MissingSplitError):
            defects.append(Defect("no_val", split, split, error.what))
        elif split != "test":  # which is optional
            defects.append(Defect("no_data", split, split, str(error)))
        return []
    except OuttakeError as error:
        defects.append(Defect("no_data", split, split, str(error)))
        return []
    if not samples:
        defects.append(Defect("empty_split", split, split, "it holds no image with a mask"))
    return samples


def _inspect_pairs(pairs: FilePairs, split: str, missing_masks: str | None) -> list[Defect]:
    has_options = missing_masks is not None
    advice = ""
    if pairs.unmasked or pairs.orphans:
        advice = propose_pairing(pairs, has_options=has_options)
    unmasked = pairs.unmasked if missing_masks in (None, "error") else {}
    orphans = pairs.orphans if missing_masks != "skip" else {}
    found = [Defect("missing_mask", split, str(path), advice) for path in unmasked.values()]
    found += [Defect("orphan_mask", split, str(path), advice) for path in orphans.values()]
    found += [Defect("absent_image", split, name, "the list names it") for name in pairs.absent]
    for pictures in (pairs.images, pairs.masks):
        for _, kept, other in pictures.repeated:
            found.append(Defect("repeated_name", split, str(other), f"beside {kept.name}"))
        if line := pictures.describe_passed_over():
            found.append(Defect("left_out", split, str(pictures.folder), line))
    return found


def _inspect_classes(facts: Sequence[SampleFacts], labels: LabelSpace) -> list[Defect]:
    sums = _sum_pixels(facts)
    classes = len(labels.names)
    pixels = {split: counts[:classes] for split, counts in sums.items()}
    counted = [each.pixels for each in facts if each.pixels is not None]
    both = [
        bool(
            each[0]
            and each[labels.ignore_index]
            and each[0] + each[labels.ignore_index] == each.sum()
        )
        for each in counted
    ]
    if both and sum(both) >= _BLACK_AND_WHITE_SHARE * len(both):
        text = (
            f"every mask holds 0 and 255 alone: all of it is {labels.names[0]!r} or unlabelled, "
            f"and {', '.join(labels.names[1:])} never occur"
        )
        return [Defect("black_and_white", "", "all masks", text)]
    kinds = {"in train are in": "class_not_in_train", "classes without": "class_nowhere"}
    found = []
    for line in describe_class_shares(pixels, labels):
        kind = next((kind for words, kind in kinds.items() if words in line), "class_nearly_all")
        found.append(Defect(kind, "", "all masks", line))
    return found


def _sum_pixels(facts: Sequence[SampleFacts]) -> dict[str, NDArray[np.int64]]:
    sums: dict[str, NDArray[np.int64]] = {}
    for each in facts:
        if each.pixels is not None:
            sums[each.split] = sums.get(each.split, np.zeros(256, np.int64)) + each.pixels
    return sums


def count_by_kind(defects: Sequence[Defect]) -> Mapping[str, int]:
    """Return how many defects there are of each kind, in their order."""
    return Counter(each.kind for each in defects)
