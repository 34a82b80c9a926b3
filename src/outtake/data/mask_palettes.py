"""Whether the palettes of masks agree, told by the heads of their files where that is enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from outtake.core.parallel import default_threads, map_threads
from outtake.data.decode_files import Array
from outtake.data.read_mask_values import explain_palettes, read_or_skip

_PROBED_MASKS = 64
_PALETTE_MODES = ("P", "PA")
_TITLE = "Comparing palettes"


def find_palettes_that_differ(masks: Sequence[str]) -> str | None:
    """Return where two masks give one index two colours, in words; None if none do.

    The heads of the files are read, if some of the masks, spread over all, have a palette; the
    masks themselves only if palettes differ, since an index that no mask uses may differ.

    Args:
        masks: The files; one that cannot be read is left to whoever decodes it.
    """
    threads = default_threads()
    step = max(1, len(masks) // _PROBED_MASKS)
    if all(_read_palette(path) is None for path in masks[::step]):
        return None
    palettes = map_threads(_read_palette, masks, threads=threads, title=_TITLE)
    distinct = {each.tobytes(): each for each in palettes if each is not None}
    longest = max(distinct.values(), key=len)
    if all((each == longest[: len(each)]).all() for each in distinct.values()):
        return None
    having = [path for path, each in zip(masks, palettes, strict=True) if each is not None]
    found = map_threads(read_or_skip, having, threads=threads, title=_TITLE)
    return explain_palettes(having, found)


def _read_palette(path: str) -> Array | None:
    """Return the palette of a file, uint8 (N, 3), without its pixels where the format allows it."""
    if Path(path).suffix.lower() == ".npy":
        return None
    try:
        with Path(path).open("rb") as file, Image.open(file) as picture:
            if picture.mode not in _PALETTE_MODES:
                return None
            kept = picture.palette
            if kept is not None and kept.rawmode == "RGB":
                content = bytes(kept.palette)
            else:
                content = bytes(picture.getpalette("RGB") or ())
    except (OSError, SyntaxError, ValueError):
        return None
    return np.frombuffer(content[: len(content) // 3 * 3], np.uint8).reshape(-1, 3)
