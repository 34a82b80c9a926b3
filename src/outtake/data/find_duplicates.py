"""Find images that are in a data set twice: byte for byte, encoded anew, or a moment later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.data.defects import Defect
from outtake.data.inspect_sample import SampleFacts

# Correlation of thumbnails without what is coarser than an eighth of the picture, which is alike in
# all pictures of a street. On CamVid at 1 frame a second neighbours have 0.56, strangers below 0.6;
# moving video at 25 to 30 frames a second has 0.9, the same picture at 0.4 of its size 0.998.
_SAME_PICTURE = 0.985
_NEIGHBOURS = 0.85
_COARSE_PX = 4
_MIN_CONTRAST = 3.0
_BLOCK = 2048


def find_duplicates(facts: Sequence[SampleFacts]) -> list[Defect]:
    """Return the duplicates among the samples of all splits."""
    return [*_find_equal(facts), *_find_shared_masks(facts), *_find_similar(facts)]


def _find_equal(facts: Sequence[SampleFacts]) -> Iterator[Defect]:
    groups: dict[str, list[SampleFacts]] = defaultdict(list)
    for each in facts:
        if each.image_hash:
            groups[each.image_hash].append(each)
    for first, *others in groups.values():
        for other in others:
            kind = "same_within" if other.split == first.split else "same_across"
            yield _pair_defect(kind, other, first, "the same file as")
            if other.mask_hash != first.mask_hash:
                yield _pair_defect("two_labels", other, first, "another mask than that of")


def _find_shared_masks(facts: Sequence[SampleFacts]) -> Iterator[Defect]:
    first_of: dict[str, SampleFacts] = {}
    for each in facts:
        if not each.mask_hash:
            continue
        first = first_of.setdefault(each.mask_hash, each)
        if (
            first is not each
            and first.image_hash != each.image_hash
            and not _are_alike(first, each)
        ):
            yield _pair_defect("one_mask", each, first, "the same mask as")


def _find_similar(facts: Sequence[SampleFacts]) -> Iterator[Defect]:
    """Compare each image with those of the splits before its own."""
    splits = list(dict.fromkeys(each.split for each in facts))
    by_split = {name: _with_contrast([f for f in facts if f.split == name]) for name in splits}
    for position, later in enumerate(splits):
        for earlier in splits[:position]:
            known, known_vectors = by_split[earlier]
            fresh, vectors = by_split[later]
            if not known or not fresh:
                continue
            for start in range(0, len(fresh), _BLOCK):
                alike = vectors[start : start + _BLOCK] @ known_vectors.T
                for row, best in enumerate(alike.argmax(1)):
                    first, other = known[best], fresh[start + row]
                    value = float(alike[row, best])
                    if value < _NEIGHBOURS or first.image_hash == other.image_hash:
                        continue
                    kind = "similar_across" if value >= _SAME_PICTURE else "video_across"
                    yield _pair_defect(kind, other, first, f"alike by {value:.3f} to")


def _with_contrast(
    facts: Sequence[SampleFacts],
) -> tuple[list[SampleFacts], NDArray[np.float32]]:
    kept = [each for each in facts if each.thumbnail is not None]
    details = [_fine_details(each.thumbnail) for each in kept if each.thumbnail is not None]
    strong = [float(detail.std()) >= _MIN_CONTRAST for detail in details]
    kept = [each for each, enough in zip(kept, strong, strict=True) if enough]
    vectors = [detail.ravel() for detail, enough in zip(details, strong, strict=True) if enough]
    unit = [vector / np.linalg.norm(vector) for vector in vectors]
    return kept, np.array(unit, np.float32)


def _are_alike(first: SampleFacts, second: SampleFacts) -> bool:
    if first.thumbnail is None or second.thumbnail is None:
        return False
    a, b = (_fine_details(each).ravel() for each in (first.thumbnail, second.thumbnail))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return norm > 0 and float(a @ b) / norm >= _NEIGHBOURS


def _fine_details(thumbnail: Frame) -> NDArray[np.float32]:
    values = thumbnail.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), _COARSE_PX)
    return np.asarray(fine - fine.mean(), np.float32)


def _pair_defect(kind: str, other: SampleFacts, first: SampleFacts, words: str) -> Defect:
    text = f"{words} {first.sample.image} ({first.split})"
    return Defect(kind, other.split, other.sample.image, text, other.sample.id)
