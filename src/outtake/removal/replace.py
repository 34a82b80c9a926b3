"""Show something else where something is masked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, MaskedFrame, fill_hole
from outtake.core.types import Frame
from outtake.core.validate import check_flag, check_number
from outtake.removal.alpha import blend_inside_mask
from outtake.removal.background_media import open_background, resize_cover
from outtake.removal.per_frame import copy_unchanged
from outtake.removal.protocol import Remover


class Replace(Remover):
    """Shows an image or a video as background, scaled so that it covers the frame.

    A video runs along with the clip's own time, from that time's zero.

    Args:
        path: An image or a video.
        loop: Whether a video starts again at its end; otherwise its last frame stays.
        soft_edge: The width of the transition inside the mask, as a fraction of the frame's
            height.

    Raises:
        VideoError: The file is missing, cannot be read, or is transparent somewhere.
        ConfigError: The path is empty, ``loop`` is not true or false, or the edge is out of its
            range.
    """

    def __init__(self, path: str | Path, loop: bool = True, soft_edge: float = 0.004) -> None:
        if not isinstance(path, str | Path) or not str(path):
            raise ConfigError(f"remover.path={path}: must name a file")
        self._path = Path(path).expanduser()
        check_flag("remover.loop", loop)
        self._loop = loop
        check_number("remover.soft_edge", soft_edge, 0, 1)
        self._soft_edge = soft_edge
        open_background(self._path, loop).close()  # refuses a wrong file before any work

    def files(self) -> tuple[Path, ...]:
        """Return the image or video."""
        return (self._path,)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with the background of its time inside its mask."""
        with closing(open_background(self._path, self._loop)) as background:
            picture: Frame | None = None
            fitted: Frame | None = None
            for item in clip:
                frame = item.frame
                if not item.is_output or not item.mask.any():
                    yield copy_unchanged(item)
                    continue
                newest = background.picture_at(frame.pts * frame.time_base)
                shape = frame.image.shape
                if fitted is None or newest is not picture or fitted.shape != shape:
                    picture, fitted = newest, resize_cover(newest, *shape[:2])
                image = blend_inside_mask(frame.image, fitted, item.mask, self._soft_edge)
                yield FilledFrame(item, fill_hole(frame, image, item.mask))
