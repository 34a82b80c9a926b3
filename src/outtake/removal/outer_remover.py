"""A remover with another one inside."""

from __future__ import annotations

from pathlib import Path

from outtake.removal.protocol import Context, Remover
from outtake.video.read.probe import VideoInfo


class OuterRemover(Remover):
    """Changes what another remover makes, and is as that one in all that it does not say itself.

    Args:
        remover: The remover inside.
    """

    def __init__(self, remover: Remover) -> None:
        self.remover = remover
        self.needs_mask, self.keeps_outside = remover.needs_mask, remover.keeps_outside
        self.shows_background, self.knows_origins = remover.shows_background, remover.knows_origins
        self.channels = remover.channels
        self.device, self.notes = remover.device, remover.notes

    @property
    def name(self) -> str:
        """The name of the remover inside."""
        return self.remover.name

    def files(self) -> tuple[Path, ...]:
        """Return the files of the remover inside."""
        return self.remover.files()

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        """Check a clip as the remover inside does."""
        return self.remover.check_clip(info)

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return which frames the remover inside looks at."""
        return self.remover.context(height, width, high_bit_depth)
