"""The images without labels that a batch carries beside the labelled ones."""

from __future__ import annotations

from typing import Literal

from outtake.core.types import Batch, UnlabelledBatch

Images = Literal["labelled", "unlabelled", "both"]


def unlabelled_part(batch: Batch) -> UnlabelledBatch:
    """Return the images without labels of a batch that was loaded with some."""
    assert "unlabelled" in batch, "the loader was made without images without labels"
    return batch["unlabelled"]
