"""Find the range of samples that becomes black and white in a data set, and say what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import UnreadableImageError
from outtake.core.parallel import default_threads, map_threads
from outtake.data.clipped_samples import MAX_CLIPPED, ClippedFile, LostSamples
from outtake.data.decode_files import decode_file
from outtake.data.sample_range import SampleRange, choose_range
from outtake.data.sample_type import read_sample_type
from outtake.data.source import warn_of_data

KEY = "data.source.range"
_PROBED_IMAGES = 16
_MIN_SHARE = 1 / 8  # of the range that the samples should fill


def find_range(
    images: Sequence[str],
    given: SampleRange | None,
    trained: SampleRange | None = None,
    key: str = KEY,
) -> SampleRange | None:
    """Return the range for a data set, looking at some of its images; say what was chosen.

    The heads of all files are read, and where they store samples of several types, those of more
    than 8 bits decide, with a line. What cannot be read is left to whoever decodes it.

    Args:
        images: The files.
        given: The range that the user named, which is kept; None chooses one.
        trained: The range that the network to be scored was trained with, which is chosen where
            it can be that of the samples; None for no network, or one that had no range.
        key: The config key that names a range, for messages.

    Returns:
        None where the samples need none: 8 bits.
    """
    types = map_threads(
        _read_type, images, threads=default_threads(), title="Finding the type of samples"
    )
    by_type: dict[np.dtype[Any], list[str]] = {}
    for path, each in zip(images, types, strict=True):
        if each is not None:
            by_type.setdefault(each, []).append(path)
    if not by_type:
        return given
    deepest = max(by_type, key=lambda each: (_needs_range(each), each.kind == "f", each.itemsize))
    deep = [path for each, paths in by_type.items() if _needs_range(each) for path in paths]
    kept = trained if given is None and trained is not None and trained.fits(deepest) else None
    if given is None and kept is None and not deep:
        return None
    if len(by_type) > 1:
        _warn_of_types(by_type, given, key)
    # Where all is scaled, samples of 8 bits are too.
    probed = list(images) if given is not None or not deep else deep
    found = map_threads(
        _probe, probed[:: max(1, len(probed) // _PROBED_IMAGES)][:_PROBED_IMAGES],
        threads=default_threads(), title="Finding the range of samples",
    )  # fmt: skip
    read = [each for each in found if each is not None]
    if not read:
        return given or kept
    low, high = min(each[0] for each in read), max(each[1] for each in read)
    limits = given or kept or choose_range(deepest, low, high)
    what = f"samples of {deepest} from {low:g} to {high:g} in {len(read)} images"
    _warn_of_choice(what, limits, given, trained, key)
    _warn_of_loss(read, limits, what, key, in_training=limits is trained)
    return limits


def _needs_range(dtype: np.dtype[Any]) -> bool:
    return dtype not in (np.uint8, np.bool_)


def _read_type(path: str) -> np.dtype[Any] | None:
    return read_sample_type(Path(path))


def _warn_of_types(
    by_type: Mapping[np.dtype[Any], Sequence[str]], given: SampleRange | None, key: str
) -> None:
    """Say that images store samples of several types, and what becomes of them."""
    listed = [f"{len(paths)} of {each} (as {paths[0]})" for each, paths in by_type.items()]
    deep = [each for each in by_type if _needs_range(each)]
    if given is not None:
        outcome = f"{key} brings all of them to 8 bits, each by these values"
    elif len(deep) > 1:
        outcome = "those of more than 8 bits share one range; save them alike, or leave some out"
    else:
        outcome = "8 bits stay as they are, the others are brought to them by their own range"
    warn_of_data(f"images store samples of {len(by_type)} types, {', '.join(listed)}: {outcome}")


def _probe(path: str) -> tuple[float, float, NDArray[np.float64]] | None:
    try:
        array = decode_file(Path(path), palette_indices=False)
    except UnreadableImageError:
        return None
    values = array[::4, ::4].astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return 0.0, 0.0, values
    return float(finite.min()), float(finite.max()), values


def _warn_of_choice(
    what: str,
    limits: SampleRange,
    given: SampleRange | None,
    trained: SampleRange | None,
    key: str,
) -> None:
    """Say which range was chosen, and where it is not the one of training."""
    if limits is trained:
        if not limits.high_byte:
            warn_of_data(f"{what}: {limits.describe()}, as in training")
        return
    other = ""
    if trained is not None and (trained.low, trained.high) != (limits.low, limits.high):
        other = f"; the network was trained with other samples, of which {trained.describe()}"
        if trained.high_byte:
            other = "; the network was trained with samples of 16 bits that use their range"
    if given is not None:
        if other:
            warn_of_data(f"{what}: {limits.describe()}, as {key} says{other}")
    elif not limits.high_byte or other:
        choose = f"; set {key}=[low,high] to choose other values"
        warn_of_data(f"{what}: {limits.describe()}{other}{choose}")


def _warn_of_loss(
    found: Sequence[tuple[float, float, NDArray[np.float64]]],
    limits: SampleRange,
    what: str,
    key: str,
    *,
    in_training: bool,
) -> None:
    values = np.concatenate([each[2] for each in found])
    if not values.size:
        return
    clipped = float(((values < limits.low) | (values > limits.high)).mean())
    if clipped > MAX_CLIPPED:
        warn_of_data(
            f"{what}: {clipped:.0%} of them lie outside {limits.low:g} to {limits.high:g} and are "
            f"clipped{'' if in_training else f'; set {key} to include them'}"
        )
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    share = (min(high, limits.high) - max(low, limits.low)) / (limits.high - limits.low)
    if share < _MIN_SHARE and clipped <= MAX_CLIPPED:
        advice = "" if in_training else f"; set {key}=[{low:g},{high:g}]"
        warn_of_data(
            f"{what} fill only {max(share, 0):.1%} of the range {limits.low:g} to "
            f"{limits.high:g}, and most shades are lost{advice}"
        )


def warn_of_lost_samples(
    found: LostSamples, images: int, split: str, keys: Mapping[str, str] | None = None
) -> None:
    """Say what :func:`describe_lost_samples` returns."""
    for line in describe_lost_samples(found, images, split, keys):
        warn_of_data(line)


def describe_lost_samples(
    found: LostSamples, images: int, split: str, keys: Mapping[str, str] | None = None
) -> list[str]:
    """Return one line for images of 16 bits without a range, and for each that some do not fit.

    Where the user named the range, that is said of more than a hundredth of them only.

    Args:
        found: What was collected.
        images: How many images there are.
        split: What they are, such as their split.
        keys: The config key of the range of a file; ``data.source.range`` of others.
    """
    lines = []
    if found.high_bytes:
        deepest = max(found.high_bytes, key=lambda path: found.high_bytes[path])
        lines.append(
            f"{len(found.high_bytes)} of {images} images of {split} store 16 bits and no range was "
            f"found, as the others of training store 8: they keep their high byte, which leaves "
            f"little of samples to {found.high_bytes[deepest]} at most ({deepest}); save all alike"
        )
    groups: dict[tuple[str, tuple[float, float], bool], dict[str, ClippedFile]] = {}
    for path, each in found.clipped_files.items():
        group = ((keys or {}).get(path, KEY), each.limits, each.is_chosen)
        groups.setdefault(group, {})[path] = each
    for (key, limits, is_chosen), files in groups.items():
        share = sum(each.samples for each in files.values()) / sum(e.size for e in files.values())
        if is_chosen and share * len(files) <= MAX_CLIPPED * images:
            continue
        low, high = min(e.low for e in files.values()), max(e.high for e in files.values())
        held = min(low, limits[0]), max(high, limits[1])
        if not any(each.floats for each in files.values()):
            whole = choose_range(np.dtype(np.int64), *held)
            held = whole.low, whole.high
        worst = max(files, key=lambda path: files[path].samples / files[path].size)
        lines.append(
            f"{len(files)} of {images} images of {split} (as {worst}) have samples outside "
            f"{limits[0]:g} to {limits[1]:g}, from {low:g} to {high:g} ({share:.2%} of theirs), "
            f"which become black or white; {key}=[{held[0]:g},{held[1]:g}] in training holds them"
        )
    return lines
