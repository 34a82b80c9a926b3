"""Polyps in colonoscopy: Kvasir-SEG (Jha et al., 2020) and CVC-ClinicDB (Bernal et al., 2015)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from outtake.core.errors import ConfigError
from outtake.data.sources.paired_source import FoldersSource, decode_ids

FOLDERS = {
    "kvasir": ("images", "masks"),
    "cvc_clinicdb": ("Original", "Ground Truth"),
}


class Polyps(FoldersSource):
    """Polyp and background; masks are black and white, in Kvasir as JPEG: from 128 on it is polyp.

    Layout: ``root/images`` with ``root/masks`` (Kvasir-SEG), or ``root/Original`` with
    ``root/Ground Truth`` (CVC-ClinicDB). There are no splits: ``val`` is chosen by a hash. The
    frames of CVC are of 29 videos, so scores on a part of them are too good.

    Args:
        root: The folder.
        collection: ``kvasir`` or ``cvc_clinicdb``.
        val_fraction: The part that becomes ``val``.

    Raises:
        DataRootError: ``root`` is not a folder.
        ConfigError: There is no such collection.
    """

    def __init__(
        self,
        root: str,
        collection: Literal["kvasir", "cvc_clinicdb"] = "kvasir",
        val_fraction: float = 0.1,
    ) -> None:
        if collection not in FOLDERS:
            raise ConfigError(f"data.source.collection={collection}: must be {', '.join(FOLDERS)}")
        decoder = replace(decode_ids(("background", "polyp"), (0, 255), ignored=()), threshold=128)
        super().__init__(
            collection, root, decoder, {"train": FOLDERS[collection]},
            lossy_masks=True, val_fraction=val_fraction,
        )  # fmt: skip
