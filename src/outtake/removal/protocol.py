"""What every remover is, and what the rest of Outtake needs to know about it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask
from outtake.video.read.probe import VideoInfo


@dataclass(frozen=True, slots=True)
class Context:
    """Which frames around its output a remover looks at.

    A long clip is processed in segments, each on its own, so that it can be resumed and spread
    over machines. With its context, a segment has the same result wherever it is processed.

    Attributes:
        before: Number of frames right before the first output frame.
        after: Number of frames right after the last output frame.
        keyframe_reach: How far back keyframes are useful, in frames; those nearer than ``before``
            come anyway.
        keyframe_step: Frames whose number is a multiple of this are keyframes.
        needs_labels: Whether it looks at the labels that masks came from; if not, they are not
            kept.
        needs_image16: Whether it looks at the 16-bit picture of a context frame.
    """

    before: int = 0
    after: int = 0
    keyframe_reach: int = 0
    keyframe_step: int = 16
    needs_labels: bool = True
    needs_image16: bool = True


class Dependencies(Protocol):
    """What the result of a part depends on beside its options. By default: on nothing.

    Attributes:
        device: Where its network runs, ``cpu`` or ``cuda``; None without a network.
        notes: What the report says about it, such as the licence of a network.
    """

    device: str | None = None
    notes: Mapping[str, str] = MappingProxyType({})

    def files(self) -> tuple[Path, ...]:
        """Return the files that it reads. A job is only resumed if their content is the same."""
        return ()


class Filler(Dependencies, Protocol):
    """Synthesises what no frame shows, such as :class:`outtake.removal.inpaint.Inpaint`."""

    @abstractmethod
    def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
        """Return a copy of an RGB image with its masked pixels synthesised.

        Args:
            image: The image, uint8 (H, W, 3).
            mask: The mask, bool (H, W).
            vague: Pixels that lack detail, bool (H, W); None if there are none. No pieces are
                copied from them.
        """
        ...


class Remover(Dependencies, Protocol):
    """Takes things out of a clip.

    A remover is an iterator stage, so that one that works frame by frame and one that looks
    ahead are called the same way. Its contract: one frame out for each frame in, in the same
    order and with the same time; frames that come in are not written to; and, unless
    ``keeps_outside`` is False, pixels outside the mask come out bit for bit as they went in.

    A class that inherits from it states only where it differs from the defaults.

    Attributes:
        needs_mask: Whether it has nothing to do without a class to remove.
        keeps_outside: Whether pixels outside the mask stay as they are.
        shows_background: Whether its fill passes for what was behind the mask, and so is to have
            the grain of the picture.
        knows_origins: Whether it gives statistics of each fill, which say where that comes from.
        channels: Channels of the frames that come out: 3, or 4 with alpha. Their height and width
            may differ from those that go in, and are the same for all frames.
    """

    needs_mask: bool = True
    keeps_outside: bool = True
    shows_background: bool = False
    knows_origins: bool = False
    channels: int = 3

    @property
    def name(self) -> str:
        """What it is called in reports and errors: by default its class."""
        return type(self).__name__

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return which frames it looks at around its output. By default: none.

        Args:
            height: The height of the frames.
            width: The width of the frames.
            high_bit_depth: Whether they have 16-bit pictures too, which take twice as much memory.
        """
        return Context()

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        """Find before any work what does not go with a clip. By default: nothing.

        Args:
            info: The clip, at its full size even if a preview is made.

        Returns:
            Lines about what may not be meant.

        Raises:
            ConfigError: It cannot work with this clip.
        """
        return ()

    @abstractmethod
    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame of ``clip`` without what its mask covers."""
        ...
