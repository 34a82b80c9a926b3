"""The one clip that a network was trained on, with its labels, as a checkpoint has them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np

from outtake.core.types import LabelMap

# A network of more labelled frames than this has seen enough: its labels are not asked for.
_MOST_FRAMES = 200
_MOST_BYTES = 64 << 20
_MOST_PIXELS = 1 << 26


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """A clip of which some frames are labelled.

    Attributes:
        name: Its name.
        sha256: What identifies its content, in hex.
        labels: Class ids, uint8 (H, W), 255 where unlabelled, by the number of the frame from 0;
            empty where these are too many to keep.
    """

    name: str
    sha256: str
    labels: Mapping[int, LabelMap] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint; the labels as PNG in text."""
        kept = self.labels if len(self.labels) <= _MOST_FRAMES else {}
        packed = {str(number): _pack(labels) for number, labels in sorted(kept.items())}
        if sum(map(len, packed.values())) > _MOST_BYTES:
            packed = {}
        return {"name": self.name, "sha256": self.sha256, "labels": packed}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: The values are others.
        """
        labels = {int(number): _unpack(text) for number, text in values["labels"].items()}
        return cls(str(values["name"]), str(values["sha256"]), labels)


def get_labelled_clip(source: object) -> LabelledClip | None:
    """Return the clip of a data set that is of one, see :class:`LabelledClip`."""
    describe = getattr(source, "describe_clip", None)
    found: LabelledClip | None = None if describe is None else describe()
    return found


def _pack(labels: LabelMap) -> str:
    return base64.b64encode(cv2.imencode(".png", labels)[1].tobytes()).decode("ascii")


def _unpack(text: str) -> LabelMap:
    content = base64.b64decode(text, validate=True)
    # The size is in the header of a PNG; nothing is decoded that would not be a label map.
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    if not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(f"labels of {width}x{height}")
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint8 or found.ndim != 2:
        raise ValueError("labels that are no PNG of one channel")
    return np.asarray(found)
