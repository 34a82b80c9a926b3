"""The version of what checkpoints and run folders look like."""

from __future__ import annotations

from outtake.core.errors import CheckpointError

FORMAT_VERSION = 5


def check_format_version(place: object, found: object) -> None:
    """Raise a CheckpointError if another version of Outtake wrote a checkpoint or run folder.

    Args:
        place: The file or folder, for the message.
        found: The version that is written there, None where there is none.
    """
    if found != FORMAT_VERSION:
        raise CheckpointError(
            f"{place} was written by another version of Outtake (format {found}, this one reads "
            f"format {FORMAT_VERSION}): use the version that wrote it, or train again"
        )
