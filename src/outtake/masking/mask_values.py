"""What the values of a mask mean: which of its planes counts, and which values are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.masking.class_selection import BinaryMask
from outtake.masking.mask_picture import MaskPicture, Values
from outtake.masking.mask_statistics import COUNT_STEP, count_values

Channel = Literal["auto", "luma", "alpha", "red"]
Plane = Literal["alpha", "value", "index", "brightness", "red", "colour"]

# Up to so many values are ids, or flat areas; a soft edge has more. Colours come in more kinds.
_MAX_FLAT_VALUES = 16
_MAX_FLAT_COLOURS = 64
_HALF = 0.5
_LARGE_SHARE = 0.5
_WORDS: dict[Plane, str] = {
    "alpha": "alpha",
    "value": "values",
    "index": "palette indices",
    "brightness": "brightness",
    "red": "red",
    "colour": "colours",
}


@dataclass(frozen=True, slots=True)
class MaskValueOptions:
    """What a user says about the values of masks.

    Attributes:
        channel: The plane that counts; ``auto`` finds it.
        invert: Whether what is not marked is removed.
        threshold: The fraction of the full scale above which a pixel is marked; None: half, or
            all that is not 0 where the values are few.
        ids: The values that are marked, or the names of classes of shapes; None for all but 0.
        unlabelled: A value of which nobody has said anything, and which is removed neither way;
            None for none. It counts where values are numbers, not brightness or alpha.
    """

    channel: Channel = "auto"
    invert: bool = False
    threshold: float | None = None
    ids: Sequence[int | str] | None = None
    unlabelled: int | None = None


@dataclass(frozen=True, slots=True)
class MaskMeaning:
    """Which pixels of a picture are removed.

    Attributes:
        plane: What is looked at.
        threshold: The fraction of ``full_scale`` above which a pixel is marked; None where all
            that is not 0 is.
        ids: The values that are marked instead; None for any.
        invert: Whether what is not marked is removed.
        full_scale: The value of white, by the type of the pictures.
        found: What was found in the pictures, for a message.
        unlabelled: A value that is never removed; None for none.
    """

    plane: Plane
    threshold: float | None = None
    ids: tuple[int | str, ...] | None = None
    invert: bool = False
    full_scale: dict[str, float] = field(default_factory=dict)
    found: str = ""
    unlabelled: int | None = None

    def to_mask(self, picture: MaskPicture, name: object) -> BinaryMask:
        """Return the mask of a picture, uint8 (H, W), 1 where it is removed.

        Raises:
            ConfigError: The picture lacks the plane.
        """
        plane: Plane = "brightness" if self.plane == "colour" else self.plane
        values = _plane_of(picture, plane, name)
        if self.plane == "colour":
            marked: NDArray[np.bool_] = values != 0
        elif self.ids is not None:
            marked = np.isin(values, [each for each in self.ids if isinstance(each, int)])
        elif self.threshold is None:
            marked = values != 0
        else:
            level = self.threshold * self.full_scale.get(values.dtype.name, _white(values.dtype))
            # Compared as whole numbers, which is several times as fast.
            marked = values > (int(level) if values.dtype.kind == "u" else level)
        if self.invert:
            marked = ~marked
        if self.unlabelled is not None:
            marked = marked & (values != self.unlabelled)
        return marked.view(np.uint8)

    def count_contents(self, picture: MaskPicture, name: object) -> dict[str, int]:
        """Return how many of some pixels have each value of what is looked at."""
        plane: Plane = "brightness" if self.plane == "colour" else self.plane
        some = np.s_[::COUNT_STEP, ::COUNT_STEP]
        small = replace(
            picture,
            values=picture.values[some],
            alpha=None if picture.alpha is None else picture.alpha[some],
            indices=None if picture.indices is None else picture.indices[some],
        )
        return count_values(_plane_of(small, plane, name), step=1)

    def describe(self) -> str:
        """Say what is removed."""
        if self.ids is not None:
            marked = " and ".join(map(str, self.ids))
        elif self.threshold is None:
            marked = "all but black" if self.plane == "colour" else "all but 0"
        else:
            marked = f"what is above {self.threshold:g} of full scale"
        rest = "stays, and the rest is removed" if self.invert else "is removed"
        never = "" if self.unlabelled is None else f", but {self.unlabelled} (unlabelled) never"
        return f"{_WORDS[self.plane]}{self.found}: {marked} {rest}{never}"


def find_meaning(pictures: Sequence[MaskPicture], options: MaskValueOptions) -> MaskMeaning:
    """Decide what the values of masks mean.

    Args:
        pictures: Some of them, at least one.
        options: What the user has said; it wins.

    Raises:
        ConfigError: What was said does not go with the pictures.
    """
    plane = _find_plane(pictures, options)
    planes = [_plane_of(picture, plane, "the masks") for picture in pictures]
    scale = {values.dtype.name: _white(values.dtype) for values in planes}
    for name in scale:
        scale[name] = _white_of([values for values in planes if values.dtype.name == name])
    ids = None if options.ids is None else tuple(options.ids)
    if plane == "index" and options.threshold is not None:
        raise ConfigError(
            f"masks.threshold={options.threshold}: the masks have a palette, whose indices are "
            "not brightness; masks.ids=[1,...] says which are removed, and masks.channel=luma "
            "takes their colours"
        )
    flat = _flat_values(planes, plane)
    threshold = options.threshold
    numbers = plane in ("value", "index") and threshold is None
    unlabelled = options.unlabelled if numbers and options.unlabelled not in (ids or ()) else None
    if threshold is None and ids is None and plane != "index" and unlabelled is None:
        soft = plane == "alpha" or any(picture.lossy for picture in pictures)
        threshold = _HALF if soft or flat is None or 0 not in flat else None
    if plane == "colour" and threshold is not None:
        plane = "brightness"
    few = flat is not None and plane != "colour" and threshold is None
    shown = f" {', '.join(map(_short, flat))}" if few and flat else ""
    return MaskMeaning(plane, threshold, ids, options.invert, scale, shown, unlabelled)


def explain_doubt(
    pictures: Sequence[MaskPicture], meaning: MaskMeaning, options: MaskValueOptions
) -> str | None:
    """Return what looks wrong about masks under this meaning, and what to do; None if nothing."""
    looked = f"the {len(pictures)} pictures looked at" if len(pictures) > 1 else "the picture"
    share = float(np.mean([meaning.to_mask(each, "the masks").mean() for each in pictures]))
    if share > _LARGE_SHARE and not options.invert:
        return (
            f"{share:.0%} of {looked} is marked for removal; masks.invert=true removes the rest "
            "instead"
        )
    if share or options.invert:
        return None
    planes = [_plane_of(picture, meaning.plane, "the masks") for picture in pictures]
    highest = max(float(each.max()) / meaning.full_scale[each.dtype.name] for each in planes)
    if not highest or (meaning.unlabelled is not None and meaning.ids is None):
        return f"nothing is marked in {looked}"
    if meaning.ids is not None:
        return f"nothing in {looked} has one of masks.ids={list(meaning.ids)}"
    return (
        f"nothing in {looked} exceeds {meaning.threshold:g} of full scale (the highest is "
        f"{highest:.3g}); set masks.threshold lower"
    )


def _find_plane(pictures: Sequence[MaskPicture], options: MaskValueOptions) -> Plane:
    coloured = any(picture.values.ndim == 3 for picture in pictures)
    indexed = any(picture.indexed for picture in pictures)
    if options.channel == "alpha":
        return "alpha"
    if options.channel == "red":
        return "red"
    if options.channel == "luma":
        return "brightness"
    if options.ids is not None:
        if coloured:
            raise ConfigError(
                f"masks.ids={list(options.ids)}: the masks have colours, not numbers; "
                "masks.channel=red takes the red values for ids"
            )
        has_indices = indexed or any(picture.indices is not None for picture in pictures)
        return "index" if has_indices else "value"
    if _alpha_tells(pictures):
        return "alpha"
    if coloured:
        return "colour"
    return "index" if indexed else "value"


def _alpha_tells(pictures: Sequence[MaskPicture]) -> bool:
    """Return whether alpha differs between pixels, or is all that differs from nothing."""
    planes = [picture.alpha for picture in pictures if picture.alpha is not None]
    if not planes:
        return False
    low, high = min(each.min() for each in planes), max(each.max() for each in planes)
    if low != high:
        return True
    return not high and not any(picture.values.any() for picture in pictures)


def _plane_of(picture: MaskPicture, plane: Plane, name: object) -> Values:
    values = picture.values
    if plane == "alpha":
        if picture.alpha is None:
            raise ConfigError(
                f"masks.channel: {name} has no alpha; masks.channel=luma takes the brightness"
            )
        return picture.alpha
    if plane == "index" and picture.indices is not None:
        return picture.indices
    if plane in ("brightness", "red", "colour") and picture.palette is not None:
        values = picture.palette[values]
    if values.ndim == 2:
        return values
    if plane == "red":
        return values[:, :, 0]
    if plane == "colour":
        return values
    red, green, blue = cv2.split(values)
    return np.asarray(cv2.max(cv2.max(red, green), blue))


def _colour_codes(values: Values) -> NDArray[np.uint32]:
    """Return one number for each colour, 0 for black alone."""
    if values.ndim == 2:
        return np.asarray(values != 0, np.uint32)
    if values.dtype != np.uint8:
        return np.asarray(values.any(axis=2), np.uint32)
    weights = np.array([1 << 16, 1 << 8, 1], np.uint32)
    return np.asarray(values.astype(np.uint32) @ weights, np.uint32)


def _flat_values(planes: Sequence[Values], plane: Plane) -> list[float] | None:
    """Return the values that occur, in order; None where there are too many to be flat areas."""
    colours = plane == "colour"
    most = _MAX_FLAT_COLOURS if colours else _MAX_FLAT_VALUES
    found: set[float] = set()
    for values in planes:
        if colours and values.dtype != np.uint8:
            return None
        flat = _colour_codes(values) if colours and values.ndim == 3 else values
        if colours and values.ndim == 2:
            flat = values.astype(np.uint32) * 0x010101
        if flat.dtype in (np.uint8, np.uint16):
            found.update(np.flatnonzero(np.bincount(flat.ravel())).tolist())
        else:
            found.update(np.unique(flat).tolist())
        if len(found) > most:
            return None
    return sorted(found)


def _white(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0


def _white_of(planes: Sequence[Values]) -> float:
    """Return the value of white: that of the type, or 255 for 8 bits in a wider one."""
    white = _white(planes[0].dtype)
    highest = max(float(values.max()) for values in planes)
    if planes[0].dtype == np.uint16 and highest <= 255:
        return 255.0
    return 255.0 if planes[0].dtype.kind == "f" and highest > 2 else white


def _short(value: float) -> str:
    return f"{value:g}"
