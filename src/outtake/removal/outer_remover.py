"""A remover with another one inside, and one that changes what the other fills in."""

from __future__ import annotations

from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame
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


class FillRemover(OuterRemover):
    """Changes the fill of another remover as far as an option says, 0 for not at all.

    Args:
        remover: The remover inside.
        key: The name of the option.
        value: What it says.
        most: The largest value.

    Raises:
        ConfigError: The value is out of range, or there is no fill in the frame: the remover
            changes pixels outside the mask, or its frames have alpha.
    """

    def __init__(self, remover: Remover, key: str, value: float, most: float) -> None:
        if not 0 <= value <= most:
            raise ConfigError(f"{key}={value}: must be at least 0 and at most {most:g}")
        if not remover.keeps_outside or remover.channels != 3:
            raise ConfigError(
                f"{key}={value}: remover {remover.name} leaves no fill in the frame; set {key}=0"
            )
        super().__init__(remover)
        self._key = key

    def check_size(self, filled: FilledFrame) -> None:
        """Raise a ConfigError if the remover inside changes the size of frames."""
        if filled.frame.image.shape != filled.source.frame.image.shape:
            raise ConfigError(
                f"{self._key}: remover {self.name} changes the size of frames; set {self._key}=0"
            )
